"""Data sets: where images come from, and how pixels become input bits.

``loading`` finds a data set by its name or path, among the ``formats`` (one module each) and the
``download`` of MNIST. ``dataset`` is what it returns. ``encoding`` turns pixels into input bits,
``shifts`` moves training images.
"""
