"""Presets and files: what is read, and what is refused in which words."""

import os

import pytest

from popflip.golden.description.params import Params, ParamsError
from popflip.golden.description.presets import preset_names, read_tree
from popflip.golden.support.files import TooLargeError


@pytest.mark.parametrize("source", ["nope", "", "../presets/local-small", "local-small.txt"])
def test_unknown_presets(source):
    with pytest.raises(ParamsError) as caught:
        Params.load(source)
    message = f"preset must be one of {', '.join(preset_names())} or a .toml file, not {source!r}"
    assert str(caught.value) == message


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "nope.toml"
    with pytest.raises(ParamsError) as caught:
        Params.load(path)
    assert str(caught.value) == f"cannot read {path}: No such file or directory"


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ParamsError) as caught:
        Params.load(path)
    message = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
    assert str(caught.value) == f"cannot read {path}: {message}"


def test_a_file_that_is_not_toml(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[network")
    with pytest.raises(ParamsError) as caught:
        Params.load(path)
    message = "Expected ']' at the end of a table declaration (at end of document)"
    assert str(caught.value) == f"{path} is not valid TOML: {message}"


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "windows.toml"
    path.write_text('name = "ü"\n[network]\ncopies = 3\n', "utf-8-sig")
    assert path.read_bytes()[:3] == b"\xef\xbb\xbf"
    assert read_tree(path) == {"name": "ü", "network": {"copies": 3}}


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "large.toml"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(TooLargeError) as caught:
        read_tree(path)
    assert str(caught.value) == (
        f"{path}: a file of parameters must have at most 1,048,576 bytes, not 1,099,511,627,776"
    )
