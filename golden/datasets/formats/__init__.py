"""Formats of data sets, one module each. A new module here is a new format; nothing else changes.

A module has

- ``TITLE``, the words for such a data set in "name a folder with IDX files or a CSV table";
- ``can_read(path)``, which says by a look whether a file or folder is of the format;
- ``read(path, wanted)``, which returns :class:`popflip.golden.datasets.reading.raw.RawData`, or
  raises :class:`popflip.golden.datasets.reading.raw.DataError`. ``wanted`` says which column of a
  table holds the labels, and the like. It reads no more bytes than the file's header promises
  (:mod:`popflip.golden.support.bounded`).

Labels may be of any kind, and values any numbers: what becomes of them is the same for all formats
(:mod:`popflip.golden.datasets.preparation`). :func:`popflip.golden.datasets.loading.load` asks the
modules in the order of their names.
"""
