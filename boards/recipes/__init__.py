"""One file a board (or one for all sizes of it): its device, pins, clock and cable.

:mod:`popflip.boards.registry` finds a board by its file in this folder: a new one needs no entry
anywhere else. :mod:`popflip.boards.board` says what a recipe holds.
"""
