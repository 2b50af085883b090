"""From a network to a configured board: does it fit, the design, its bitstream, its way there.

In the order of a build: :mod:`~popflip.boards.build.inventory` and
:mod:`~popflip.boards.build.estimate` (does it fit), :mod:`~popflip.boards.build.top` (the design
with clock, pins and lights), :mod:`~popflip.boards.build.synthesis`,
:mod:`~popflip.boards.build.placement`, :mod:`~popflip.boards.build.bitstream`,
:mod:`~popflip.boards.build.programmer` (over the cable), and :mod:`~popflip.boards.build.built`
(what a host has to know of it).
"""
