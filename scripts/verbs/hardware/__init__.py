"""Verbs that bring a network's machine to an FPGA."""

TITLE = "Hardware"
