"""Attacks on both ends of the host link: damaged frames, lies, replays, resets, vanishing hosts.

Frames come in groups, each drawn from the seed and its number.
"""
