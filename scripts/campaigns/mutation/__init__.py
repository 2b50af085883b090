"""Faults put into the hardware, one at a time, and whether the tests kill each."""
