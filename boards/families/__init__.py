"""The families of FPGAs, one file each: all that building, clocking and estimating ask of one.

:mod:`popflip.boards.registry` finds a family by its file in this folder: a new one needs no entry
anywhere else. :mod:`~popflip.boards.families.family` says what a family is.
"""
