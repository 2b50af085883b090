"""Tables as text."""

import gzip
import tracemalloc

import numpy as np
import pytest

from popflip.golden.datasets.formats import csv_table
from popflip.golden.datasets.reading.raw import DataError, Wanted
from popflip.golden.datasets.tests.small import raises


def read(path, text, **wanted):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return csv_table.read(path, Wanted(**wanted))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


@pytest.mark.parametrize(
    "text",
    [
        "a,b,class\n1,x,u\n-2.5e1,y,v\n",
        "\ufeffa,b,class\r\n1,x,u\r\n-25,y,v\r\n",
        'a;b;class\n1;x;u\n\n"-25,0";y;v\n',
        "a\tb\tclass\n1\tx\tu\n-25\ty\tv",
        'a,b,class\n 1 , "x",u\n-25,y,v\n',
        "class,b,a\nu,x,1\nv,y,-25\n",
    ],
    ids=["commas", "as Excel saves it", "German", "tabs", "blanks", "label first"],
)
def test_dialects(path, text):
    raw = read(path, text)
    assert raw.kind == "table"
    assert raw.train.labels.tolist() == ["u", "v"]
    assert raw.train.values["a"].tolist() == [1, -25]
    assert raw.train.values["b"].tolist() == ["x", "y"]
    assert set(raw.train.values) == {"a", "b"}


def test_without_names_columns_have_numbers(path):
    raw = read(path, "1,2,u\n3,4,v\n", label="3")
    assert raw.train.values["1"].tolist() == [1, 3]
    assert raw.train.labels.tolist() == ["u", "v"]


def test_more_rows_than_are_converted_at_once(path, monkeypatch):
    monkeypatch.setattr(csv_table, "_ROWS", 3)
    rows = "".join(f"{i},{'x' * (i % 4 + 1)},{i % 2}\n" for i in range(10))
    raw = read(path, "n,t,y\n" + rows)
    assert raw.train.values["n"].tolist() == list(range(10))
    assert raw.train.values["t"][3] == "xxxx"
    # A value is missing in the second piece only: the column is still one of numbers.
    raw = read(path, "n,y\n" + "".join(f"{'' if i == 4 else i},{i}\n" for i in range(10)))
    assert np.isnan(raw.train.values["n"]).tolist() == [i == 4 for i in range(10)]
    with raises(
        f"{path}: column 'n' must hold numbers or texts, not both: row 9 has 'oops'; put it right, "
        'or leave the column out: data.ignore = ["n"]'
    ):
        read(path, "n,y\n" + "".join(f"{'oops' if i == 7 else i},{i}\n" for i in range(10)))


def test_labels_may_be_of_both_kinds(path):
    assert read(path, "n,y\n1,a\n2,7\n").train.labels.tolist() == ["a", "7"]


def test_what_is_ignored_may_be_anything(path):
    raw = read(path, "id,n,y\nx1,1,a\n2,2,b\n", ignore=("id",))
    assert set(raw.train.values) == {"n"}
    with raises(f"{path} has no column gone, which data.ignore names; it has: id, n, y"):
        read(path, "id,n,y\n1,1,a\n", ignore=("gone",))


def test_the_label_column(path):
    with raises(f"{path} has no column 'kind'; it has: a, b"):
        read(path, "a,b\n1,2\n", label="kind")
    with raises(
        f"{path}: name the column of the labels with --label (data.label); the columns are: a, b"
    ):
        read(path, "a,b\n1,2\n")
    with raises(
        f"{path}: name the column of the labels with --label (data.label); the columns are: y, "
        "class"
    ):
        read(path, "y,class\n1,2\n")
    assert read(path, "a,b\n1,2\n", unlabelled=True).train.labels is None
    assert read(path, "a,b\n1,2\n", label="kind", unlabelled=True).train.labels is None
    with raises(f"{path} has no column but that of the labels"):
        read(path, "y\n1\n2\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,y\n", "has no row but that of the names"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is no text (it begins with 89504e47)"),
        (
            b"a,y\n\xfcber,1\n",
            "must be text in UTF-8: 'utf-8' codec can't decode byte 0xfc in position 4: invalid "
            "start byte",
        ),
        (gzip.compress(b"a,y\n1,2\n", mtime=0)[:-3], "is a damaged gzip file; get it again"),
    ],
)
def test_files_that_are_no_tables(path, text, message):
    with raises(f"{path} {message}"):
        read(path, text)


def test_rows_and_names(path):
    with raises(f"{path}: row 3 must have 3 values, as the first, not 2"):
        read(path, "a,b,y\n1,2,3\n1,2\n")
    with raises(f"{path}: columns must have different names, not two a"):
        read(path, "a,a,y\n1,2,3\n")
    assert set(read(path, "a,,y\n1,2,3\n").train.values) == {"a", "column 2"}
    with pytest.raises(DataError, match=r"is no table in row \d+: field larger than field limit"):
        read(path, "a,y\n" + "1" * 200_000 + ",2\n")


def test_an_immense_line(path, monkeypatch):
    monkeypatch.setattr(csv_table, "MOST_LINE", 20)
    for text in ("a,b,y\n" + "1," * 20 + "\n", "a," * 20 + "y\n1,2\n"):
        with raises(f"{path} is no table: a line has more than 20 letters"):
            read(path, text)


def test_two_parts(tmp_path):
    (tmp_path / "train.csv").write_text("a,y\n1,u\n2,v\n")
    (tmp_path / "test.csv").write_text("a,y\n3,u\n")
    assert csv_table.can_read(tmp_path)
    raw = csv_table.read(tmp_path, Wanted())
    assert (len(raw.train), len(raw.test)) == (2, 1)
    (tmp_path / "test.csv").write_text("a\n3\n")
    raw = csv_table.read(tmp_path, Wanted())
    assert raw.test is None
    assert raw.warnings == ("test.csv has no labels, so the test samples are drawn from train.csv",)
    (tmp_path / "train.csv").unlink()
    (tmp_path / "test.csv").rename(tmp_path / "notes.txt")
    assert not csv_table.can_read(tmp_path)


def test_a_compressed_table_is_read_no_further_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_table, "MOST_TEXT", 1 << 20)
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,y\n")
        for _ in range(64):
            file.write(b"0" * (1 << 20))
    tracemalloc.start()
    try:
        with raises(f"{path} is too large: of a table 1,048,576 bytes can be read"):
            csv_table.read(path, Wanted())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
