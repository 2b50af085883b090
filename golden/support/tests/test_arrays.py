"""Arrays in NumPy's files, read within bounds."""

import io
import re
import tracemalloc

import numpy as np
import pytest

from popflip.golden.support.arrays import read_array


def stored(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(["a", "bc"]),
        np.zeros((0, 3)),
        np.array(["", ""]).astype("U0"),
        np.array(7, np.uint8),
    ],
    ids=["whole", "by columns", "texts", "empty", "no letters", "no axis"],
)
def test_arrays_come_back(array):
    found = read_array(stored(array), 1000)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_a_longer_header():
    np.testing.assert_array_equal(read_array(stored(np.arange(3), (2, 0)), 24), np.arange(3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (stored(np.arange(4)), "an array of 4 values of int64: more than 31 bytes"),
        (stored(np.array([None], object)), "an array of objects"),
        (stored(np.array(["a"], dtype=[("ü", "U1")]), (3, 0)), "an array of another version"),
        (io.BytesIO(stored(np.arange(3)).getvalue() + b"x"), "an array of another length than"),
        (io.BytesIO(stored(np.arange(3)).getvalue()[:-1]), "an array of another length than"),
        (io.BytesIO(b"no array"), "the magic string is not correct"),
    ],
)
def test_what_is_refused(content, message):
    content.seek(0)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_array(content, 31)


def test_an_immense_promise_takes_no_memory():
    header = io.BytesIO()
    tall = {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 1 << 40)}
    np.lib.format.write_array_header_1_0(header, tall)
    header.seek(0)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 1,000,000,000 bytes"):
            read_array(header, 10**9)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
