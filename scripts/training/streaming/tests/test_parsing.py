"""Samples from lines."""

import json

import numpy as np
import pytest

from popflip.golden.datasets.encoder import Encoder
from popflip.golden.datasets.reading.raw import DataError, Wanted
from popflip.scripts.training.streaming import parsing
from popflip.scripts.training.streaming.lines import LONGEST, FileLines
from popflip.scripts.training.streaming.parsing import Items, JsonLines, TableLines

TABLE = Encoder(
    image=(1, 4), shape=(4,), columns=("height", "colour", "width"),
    categories=(None, ("blue", "red"), None), edges=np.zeros((2, 255)), per="value",
)  # fmt: skip


def plain(arrivals):
    """Arrivals as tuples that can be compared."""
    return [
        (
            each.number,
            each.values.tolist() if isinstance(each.values, np.ndarray) else each.values,
            each.label,
            each.why,
        )
        for each in arrivals
    ]


@pytest.fixture
def lines(tmp_path):
    """Make lines of a text."""

    def make(text):
        path = tmp_path / "samples"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return FileLines(path)

    return make


def parsed(source):
    """All arrivals of a source."""
    found = []
    try:
        while (taken := source.take(50, 0.0)) is not None:
            found += taken
    finally:
        source.close()
    return plain(found)


@pytest.mark.parametrize(
    ("line", "values", "label"),
    [
        ('{"x": [0, 255], "label": "cat"}', [0, 255], "cat"),
        ('{"x": [[1, 2], [3, 4]], "label": 7}', [[1, 2], [3, 4]], 7),
        ('{"x": [0.5], "label": null}', [0.5], None),
        ('{"x": [true, false]}', [True, False], None),
        ('  {"label": true, "x": [1], "when": [1, {}]}  ', [1], True),
        (
            '{"x": {"height": 2, "colour": "red"}, "label": "a"}',
            {"height": 2, "colour": "red"},
            "a",
        ),
    ],
)
def test_json_lines_are_samples(lines, line, values, label):
    assert parsed(JsonLines(lines(line))) == [(1, values, label, "")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "it is no JSON: Expecting value"),
        ('{"x": [1]', "it is no JSON: Expecting ',' delimiter"),
        ("[" * 100_000, "it is no JSON: "),
        ('{"x": [NaN]}', "it is no JSON: NaN is no number"),
        ('{"x": [Infinity]}', "it is no JSON: Infinity is no number"),
        ('{"x": [' + "9" * 5000 + "]}", "it is no JSON: Exceeds the limit"),
        ("[1, 2]", 'it must be an object with "x", such as'),
        ('{"label": "cat"}', 'it must be an object with "x", such as'),
        ('{"x": []}', "x must be a list of numbers, or of rows of numbers, not []"),
        ('{"x": 5}', "x must be a list of numbers, or of rows of numbers, not 5"),
        ('{"x": null}', "x must be a list of numbers, or of rows of numbers, not null"),
        ('{"x": ["1"]}', 'x must be a list of numbers, or of rows of numbers, not ["1"]'),
        ('{"x": [[1], [2, 3]]}', "x must hold numbers, in rows of one length"),
        ('{"x": [1], "label": ["cat"]}', 'label must be a text or a number, not ["cat"]'),
        ('{"x": {"a": [1]}}', "x: column 'a' must hold a text or a number"),
        ('{"x": {"a": null}}', "x: column 'a' must hold a text or a number"),
        (b'{"x": [1], "label": "\xff"}', "it is no UTF-8 text"),
        ("x" * (LONGEST + 1), f"a line must have at most {LONGEST:,} bytes"),
    ],
)
def test_lines_that_are_no_samples_say_why_and_stop_nobody(lines, line, why):
    text = line if isinstance(line, bytes) else line.encode()
    found = parsed(JsonLines(lines(b'{"x": [1]}\n\n' + text + b'\n{"x": [2]}\n')))
    assert [each[0] for each in found] == [1, 3, 4], "the empty line is none"
    assert found[0][3] == found[2][3] == ""
    assert found[1][1] is None
    assert found[1][3].startswith(why)


def test_a_byte_order_mark_is_read_over(lines):
    assert parsed(JsonLines(lines(b'\xef\xbb\xbf{"x": [1]}'))) == [(1, [1], None, "")]


def test_rows_of_a_table_are_samples_in_the_order_of_training(lines):
    text = "when,width,colour,height,kind\n5,2.5,red,7,oak\n6,1,blue,2,\n"
    source = TableLines(lines(text), Wanted("kind", ("when",), True), TABLE)
    assert parsed(source) == [
        (2, {"height": 7.0, "colour": "red", "width": 2.5}, "oak", ""),
        (3, {"height": 2.0, "colour": "blue", "width": 1.0}, None, ""),
    ]


def test_a_table_without_an_encoder_holds_pixels(lines):
    source = TableLines(lines("a\tlabel\tb\n1\tx\t2\n"), Wanted(unlabelled=True), None, "\t")
    assert parsed(source) == [(2, [1.0, 2.0], "x", "")]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_first_line_tells_what_stands_between_values(lines, mark):
    rows = ("height,colour,width", "7.5,red,2.5")
    text = "\n".join(row.replace(",", mark).replace(".", ",") for row in rows) + "\n"
    source = TableLines(lines(text), Wanted(unlabelled=True), TABLE)
    assert parsed(source) == [(2, {"height": 7.5, "colour": "red", "width": 2.5}, None, "")]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("7,red", "a row must have 3 columns, not 2"),
        ("7,red,1,2", "a row must have 3 columns, not 4"),
        (",red,1", "column 'height' is empty"),
        ("tall,red,1", "column 'height' must hold a number, not 'tall'"),
        ('7,"red,1', "it is no row of a table: unexpected end of data"),
    ],
)
def test_rows_that_are_no_samples_say_why(lines, row, why):
    text = f"height,colour,width\n{row}\n1,blue,3\n"
    found = parsed(TableLines(lines(text), Wanted(unlabelled=True), TABLE))
    assert found[0] == (2, None, None, why)
    assert found[1][3] == ""


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("height,colour", "samples lacks columns that the network was trained with: width"),
        ("a,a", "samples: columns must have different names, not two a"),
    ],
)
def test_a_table_of_other_columns_is_refused_as_a_whole(lines, head, message):
    with pytest.raises(DataError, match=f"{message}$"):
        parsed(TableLines(lines(head + "\n1,2\n"), Wanted(unlabelled=True), TABLE))


def test_items_of_python_are_samples():
    pairs = iter([([0, 1], "a"), (np.ones((2, 2), np.uint8), None), ({"a": 1}, 3), (["x"], 1), 5])
    source = Items(pairs)
    assert plain(source.take(2, 60.0)) == [
        (1, [0, 1], "a", ""), (2, [[1, 1], [1, 1]], None, "")
    ]  # fmt: skip
    third, fourth, fifth = plain(source.take(9, 60.0))
    assert third == (3, {"a": 1}, 3, "")
    assert (
        fourth[3] == f"x must be a list of numbers, or of rows of numbers, not {json.dumps(['x'])}"
    )
    assert fifth[3] == "it must be values and a label"
    assert source.take(9, 0.0) is None


@pytest.mark.parametrize("odd", [None, [1, 2], np.ones(2), b"x"])
def test_columns_of_items_hold_texts_and_numbers(odd):
    pairs = [({"a": odd}, "cat"), ({"a": np.float32(1)}, "cat"), ({"a": np.str_("b")}, "cat")]
    why = [each.why for each in Items(pairs).take(9, 60.0)]
    assert why == ["x: column 'a' must hold a text or a number", "", ""]


def test_items_can_be_stopped():
    source = Items(([number], None) for number in range(100))
    source.take(3, 0.0)
    source.stop()
    assert source.take(3, 0.0) is None


def test_a_slow_iterator_is_taken_from_one_pair_at_a_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(parsing.time, "monotonic", lambda: now[0])

    def each(seconds):
        for number in range(10):
            now[0] += seconds
            yield [number], None

    assert [len(Items(each(s)).take(256, 0.2)) for s in (1.0, 0.15, 0.0)] == [1, 2, 10]


def test_what_came_before_an_iterator_broke_is_taken_first():
    def broken():
        yield [1], "a"
        raise RuntimeError("the sensor is gone")

    source = Items(broken())
    assert [each.number for each in source.take(9, 60.0)] == [1]
    with pytest.raises(RuntimeError, match="the sensor is gone"):
        source.take(9, 60.0)
