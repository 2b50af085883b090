"""NumPy's files."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from popflip.golden.datasets.dataset import DataError
from popflip.golden.datasets.formats import numpy_arrays
from popflip.golden.datasets.loading import load
from popflip.golden.datasets.reading.raw import Wanted
from popflip.golden.datasets.tests.small import raises

X, Y = np.arange(24.0).reshape(6, 4), np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.npz"


@pytest.mark.parametrize(
    "names",
    [("x", "y"), ("X", "Y"), ("data", "target"), ("images", "labels"), ("arr_0", "arr_1")],
)
def test_one_part(path, names):
    np.savez(path, **dict(zip(names, (X, Y), strict=True)))
    raw = numpy_arrays.read(path, Wanted())
    np.testing.assert_array_equal(raw.train.values, X)
    np.testing.assert_array_equal(raw.train.labels, Y)
    assert raw.test is None
    np.savez_compressed(path, **dict(zip(names, (X, Y), strict=True)))
    np.testing.assert_array_equal(numpy_arrays.read(path, Wanted()).train.values, X)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "y_train", "X_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("trainX", "trainY", "testX", "testY"),
        ("train-data", "train-target", "val-data", "val-target"),
    ],
)
def test_two_parts(path, names):
    np.savez(path, **dict(zip(names, (X, Y, X[:2], Y[:2]), strict=True)))
    raw = numpy_arrays.read(path, Wanted())
    assert (len(raw.train), len(raw.test)) == (6, 2)
    np.testing.assert_array_equal(raw.test.labels, Y[:2])
    assert raw.ordered


def test_names_of_classes_are_taken(path):
    np.savez(path, data=X, target=Y, target_names=np.array(["x", "y", "z"]))
    assert numpy_arrays.read(path, Wanted()).train.labels.tolist() == list("xyzxyz")
    # Images are preferred to what they were made flat of.
    np.savez(path, data=X, images=X.reshape(6, 2, 2), target=Y)
    assert numpy_arrays.read(path, Wanted()).train.values.shape == (6, 2, 2)


def test_files_of_one_array(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with raises(
        f"{tmp_path / 'x.npy'} has no labels; name the folder of x.npy and y.npy, or an archive "
        "(.npz)"
    ):
        numpy_arrays.read(tmp_path / "x.npy", Wanted())
    assert numpy_arrays.read(tmp_path / "x.npy", Wanted(unlabelled=True)).train.labels is None
    np.save(tmp_path / "y.npy", Y)
    for place in (tmp_path, tmp_path / "x.npy"):
        assert numpy_arrays.can_read(place)
        np.testing.assert_array_equal(numpy_arrays.read(place, Wanted()).train.labels, Y)
    np.save(tmp_path / "new.npy", X[:2])
    raw = numpy_arrays.read(tmp_path / "new.npy", Wanted(unlabelled=True))
    assert raw.train.labels is None
    assert load(tmp_path).n_classes == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": X},
            " must hold values and labels called x_train, y_train, x_test and y_test, or x and y, "
            "or data and target; it holds: a",
        ),
        ({"x": X, "y": Y[:5]}, " must have a label for each of its 6 samples, not 5"),
        ({"x": X, "y": 5}, " must have a label for each of its 6 samples, not one in all"),
        ({"x": 5, "y": Y}, ": values must have at least 1 axis, not 0"),
        (
            {"x": np.array([None]), "y": Y},
            ", array x cannot be read: it holds an array of objects",
        ),
    ],
)
def test_arrays_that_do_not_fit(path, arrays, message):
    np.savez(path, **arrays)
    with raises(f"{path}{message}"):
        numpy_arrays.read(path, Wanted())


def test_files_that_are_not_what_their_name_says(path, tmp_path):
    path.write_bytes(b"PK or so")
    with raises(f"{path} is no archive of NumPy arrays, or is damaged"):
        numpy_arrays.read(path, Wanted())
    array = tmp_path / "x.npy"
    array.write_bytes(b"1,2,3\n")
    with raises(f"{array} is no array of NumPy, whatever its name says"):
        numpy_arrays.read(array, Wanted(unlabelled=True))


def test_a_bomb_is_read_no_further_than_its_header_promises(path):
    header = io.BytesIO()
    np.lib.format.write_array(header, np.zeros((2, 2), np.uint8))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as file:
            file.write(header.getvalue())
            for _ in range(64):
                file.write(bytes(1 << 20))
        archive.writestr("y.npy", header.getvalue())
    tracemalloc.start()
    try:
        with raises(
            f"{path}, array x cannot be read: it holds an array of another length than its header "
            "promises"
        ):
            numpy_arrays.read(path, Wanted())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_test_part_alone_is_read_to_predict(path):
    np.savez(path, x_test=np.ones((3, 4)))
    found = numpy_arrays.read(path, Wanted(unlabelled=True))
    assert found.test is None
    assert found.train.labels is None
    assert found.train.values.shape == (3, 4)
    with pytest.raises(DataError, match="must hold values and labels called"):
        load(path)
