"""Formats of data sets, one module each. A new module here is a new format; nothing else changes.

A module has

- ``TITLE``, the words for such a data set in "name mnist or a folder with IDX files";
- ``can_read(path)``, which says by a look whether a file or folder is of the format;
- ``read(path, name)``, which returns a :class:`popflip.golden.datasets.dataset.Dataset` of that
  name, or raises :class:`popflip.golden.datasets.dataset.DataError`. It reads no more bytes than
  the file's header promises (:mod:`popflip.golden.support.bounded`).

:func:`popflip.golden.datasets.loading.load` asks the modules in the order of their names.
"""
