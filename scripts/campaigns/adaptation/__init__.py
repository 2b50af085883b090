"""Adaptation: a trained network meets a change, and goes on learning.

``problems`` says what changes, ``curves`` has networks learn and measures them.
"""
