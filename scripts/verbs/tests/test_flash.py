"""``popflip flash``; cables are stand-ins."""

import json
import os

import pytest

from popflip.boards.registry import BOARDS
from popflip.golden.datasets.loading import load
from popflip.golden.description.flash_image import read_image
from popflip.golden.description.params import Params
from popflip.golden.description.reference import to_toml
from popflip.golden.training.standalone import image_of
from popflip.scripts.verbs.hardware import flash

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture
def popflip(command, tmp_path, monkeypatch):
    """Run the command in a folder of its own with an empty cache: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    return command


def test_flash_without_a_bitstream(popflip):
    status, _, err = popflip("flash", "--board", "icebreaker")
    assert status == 2
    assert err == (
        "popflip: build/icebreaker holds no bitstream: popflip build --board icebreaker makes one\n"
    )


def test_flash_refuses_data_where_the_design_cannot_read_them(popflip, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    status, _, err = popflip(
        "flash", "--board", "upduino-v3", "--bitstream", "a.bin", "--with-data", "a.bin"
    )
    assert status == 2
    assert err.endswith("UPduino v3 has no flash that a design can read data from\n")


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """A build of ulx3s-12f, and what would have been written to it: (file, offset) of each step."""
    steps = []

    def load(board, file, *, persistent, offset=None, cable=None, say):
        steps.append((str(file), offset))

    def enable_quad(board, cable):
        steps.append(("quad", None))
        return "no cable"

    monkeypatch.setattr(flash, "load", load)
    monkeypatch.setattr(flash, "enable_quad", enable_quad)
    (tmp_path / "build" / "ulx3s-12f").mkdir(parents=True)
    (tmp_path / "build" / "ulx3s-12f" / "a.bit").write_bytes(b"bits")
    return steps


def left_beside(folder, tmp_path, **standalone):
    """Write parameters of tiny beside the bitstream, as popflip build does."""
    params = Params.load(folder / "tiny.toml").replace(standalone=standalone)
    params = BOARDS["ulx3s-12f"].params(params)
    (tmp_path / "build" / "ulx3s-12f" / "params.toml").write_text(to_toml(params))
    return params


def test_flash_packs_the_data_for_the_network_of_the_build(popflip, loaded, folder, tmp_path):
    params = left_beside(folder, tmp_path)
    dataset = load(folder)
    words = ("flash", "--board", "ulx3s-12f", "--with-data", folder)
    status, out, err = popflip(*words, "--samples", "70", "--test-samples", "9", "--json")
    assert status == 0, err
    made, bitstream = "build/ulx3s-12f/data.img", "build/ulx3s-12f/a.bit"
    assert loaded == [(made, 2 << 20), ("quad", None), (bitstream, None)]
    assert json.loads(out) == {
        "verb": "flash", "board": "ulx3s-12f", "bitstream": bitstream, "persistent": False,
        "data": made, "data_offset": 2 << 20, "train": 70, "test": 9,
    }  # fmt: skip
    image = read_image(params, (tmp_path / made).read_bytes())
    wanted = image_of(params, dataset, 70, 9)
    assert (image.train.tobytes(), image.test.tobytes()) == tuple(x.tobytes() for x in wanted)
    assert f"70 of {len(dataset.train_labels):,} training and 9 of" in err
    assert 'flash = "dual" in section [standalone]' in err

    # What was made goes again as it is; on two lines no bit needs to be set.
    left_beside(folder, tmp_path, flash="dual")
    loaded.clear()
    assert popflip(*words[:-1], made)[0] == 0
    assert loaded == [(made, 2 << 20), (bitstream, None)]


@pytest.mark.parametrize(
    ("options", "standalone", "complaint"),
    [
        (
            ("--samples", "2000000"), {},
            "samples must be 1 to 3000, which fit beside 100 test images into 16,777,216 bytes of "
            "flash from 2,097,152 on, not 2000000",
        ),
        (("--test-samples", "2000000"), {}, "2,000,000 test images of 9 bytes leave no room for"),
        (
            (), {"flash": "none"},
            "the machine of tiny reads no flash on Radiona ULX3S 12F: standalone.flash is none: "
            "build one with standalone training",
        ),
        (
            (), None,
            "no params.toml lies beside build/ulx3s-12f/a.bit: name the network that it was built "
            "from, by --preset or --config",
        ),
    ],
    ids=["too-many", "no-room", "switched-off", "unknown"],
)  # fmt: skip
def test_flash_refuses_data_that_cannot_be(
    popflip, loaded, folder, tmp_path, options, standalone, complaint
):
    if standalone is not None:
        left_beside(folder, tmp_path, **standalone)
    status, _, err = popflip("flash", "--board", "ulx3s-12f", "--with-data", folder, *options)
    assert (status, loaded) == (2, [])
    assert err.startswith(f"popflip: {complaint}")
    assert err.count("\n") == 1


def test_flash_refuses_an_image_of_another_network(popflip, loaded, folder, tmp_path):
    left_beside(folder, tmp_path)
    popflip("data", "--data", folder, "--image", "a.img", "--config", folder / "tiny.toml")
    other = (folder / "tiny.toml").read_text().replace("[network]", "[network]\nthresholds = [9]")
    (tmp_path / "other.toml").write_text(other)
    words = ("flash", "--board", "ulx3s-12f", "--with-data", "a.img")
    status, _, err = popflip(*words, "--config", "other.toml")
    assert (status, loaded) == (2, [])
    assert err.startswith("popflip: the image was made for other samples than other takes")
    os.truncate("a.img", (1 << 24) + 1)
    assert popflip(*words)[2] == (
        "popflip: a.img: a flash image must have at most 16,777,216 bytes, not 16,777,217\n"
    )
    assert loaded == []
    popflip("data", "--data", folder, "--image", "a.img", "--config", folder / "tiny.toml")
    assert popflip(*words)[0] == 0
    assert [file for file, _ in loaded] == ["a.img", "quad", "build/ulx3s-12f/a.bit"]
