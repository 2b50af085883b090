"""What readers of all formats share.

``raw`` is what they return. ``parts`` tells training from test by the names of files, ``tables``
finds the column of the labels, ``resizing`` brings pictures to a size, ``values`` checks numbers.
"""
