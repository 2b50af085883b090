"""Files for training and for the test."""

import pytest

from popflip.golden.datasets.reading.parts import find_parts
from popflip.golden.datasets.tests.small import raises

ENDINGS = (".csv", ".csv.gz")


@pytest.mark.parametrize(
    ("files", "train", "test"),
    [
        (["all.csv"], "all.csv", None),
        (["train.csv", "test.csv"], "train.csv", "test.csv"),
        (["Training.CSV", "VALID.csv.gz", "notes.csv"], "Training.CSV", "VALID.csv.gz"),
        (["train.csv", "test.csv", "val.csv"], "train.csv", "test.csv"),
        (["train.csv", "other.csv", ".train.csv"], "train.csv", None),
    ],
)
def test_names(tmp_path, files, train, test):
    for name in files:
        (tmp_path / name).touch()
    found = find_parts(tmp_path, ENDINGS)
    assert found[0].name == train
    assert (found[1] and found[1].name) == test


def test_files_and_others(tmp_path):
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.txt").touch()
    assert find_parts(tmp_path / "a.csv", ENDINGS) == (tmp_path / "a.csv", None)
    assert find_parts(tmp_path / "a.txt", ENDINGS) is None
    assert find_parts(tmp_path / "gone.csv", ENDINGS) is None
    (tmp_path / "b.csv").touch()
    with raises(
        f"{tmp_path} holds 2 files (a.csv, b.csv); name one, or call them train.csv and test.csv"
    ):
        find_parts(tmp_path, ENDINGS)
    (tmp_path / "empty").mkdir()
    assert find_parts(tmp_path / "empty", ENDINGS) is None
