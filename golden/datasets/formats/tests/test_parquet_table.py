"""Tables in Parquet files."""

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popflip.golden.datasets.formats import parquet_table
from popflip.golden.datasets.reading.raw import DataError, Wanted
from popflip.golden.datasets.tests.small import raises


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.parquet"


def read(path, columns, **wanted):
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return parquet_table.read(path, Wanted(**wanted))


def test_columns_of_any_plain_kind(path):
    raw = read(
        path,
        {
            "whole": pa.array([1, 2, 3], pa.int16()),
            "fraction": [0.5, None, 2.5],
            "truth": [True, False, True],
            "text": ["x", None, "z"],
            "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
        },
        label="kind",
    )
    values = raw.train.values
    assert raw.train.labels.tolist() == ["u", "v", "u"]
    assert values["whole"].tolist() == [1, 2, 3]
    assert str(values["fraction"].tolist()) == "[0.5, nan, 2.5]"
    assert values["truth"].tolist() == [1, 0, 1]
    assert values["text"].tolist() == ["x", "", "z"]


def test_what_is_refused(path):
    with raises(
        f"{path}: column 'picture' must hold numbers or texts, not list<element: int64>; leave it "
        'out: data.ignore = ["picture"]'
    ):
        read(path, {"picture": [[1], [2]], "y": [1, 2]})
    assert read(path, {"picture": [[1], [2]], "a": [1, 2], "y": [1, 2]}, ignore=("picture",))
    with raises(f"{path} has no column 'kind'; it has: a, y"):
        read(path, {"a": [1], "y": [1]}, label="kind")
    with raises(f"{path} has no rows"):
        read(path, {"a": pa.array([], pa.int8()), "y": pa.array([], pa.int8())})
    path.write_bytes(b"PAR1 or so")
    with pytest.raises(DataError, match=r"^\S+ is no Parquet file, or is damaged: [^\n]+$"):
        parquet_table.read(path, Wanted())


def test_a_table_that_is_too_large_is_not_read(path, monkeypatch):
    # All zeros: a few bytes of the file.
    pq.write_table(pa.table({"a": [0] * 100_000, "y": [0] * 100_000}), path)
    monkeypatch.setattr(parquet_table, "MOST_BYTES", 1_000_000)
    with raises(
        f"{path} is too large: its 100,000 rows of 2 columns take 1,600,000 bytes, of which "
        "1,000,000 can be read"
    ):
        parquet_table.read(path, Wanted())


def test_two_parts(tmp_path):
    for name in ("train", "test"):
        pq.write_table(pa.table({"a": [1.0, 2], "y": [1, 2]}), tmp_path / f"{name}.parquet")
    raw = parquet_table.read(tmp_path, Wanted())
    assert (len(raw.train), len(raw.test)) == (2, 2)


def test_without_pyarrow(path, monkeypatch):
    path.touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with raises(f"{path} needs pyarrow: pip install 'popflip[tables]'; or save the table as CSV"):
        parquet_table.read(path, Wanted())
