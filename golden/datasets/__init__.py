"""Data sets: where images come from, and how values become input bits.

``loading`` finds a data set in the ``registry`` of those that have a name, or among the ``formats``
(one module each); or takes arrays. What they return is ``raw``: values and labels of any kind.
``preparation`` makes a ``dataset`` of it: ``labels`` are numbered, ``splits`` drawn, and an
``encoder`` makes pixels of the values. ``encoding`` turns pixels into input bits, ``shifts`` moves
training images. ``inspection`` says what a data set holds.
"""
