"""``popflip export``, and the way back."""

import json
import re

import numpy as np
import pytest

from popflip.boards.driver.image import NetworkImage
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.loading import load
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.training.state import differences, initial_state
from popflip.golden.training.trainer import Trainer
from popflip.rtl.identity import identity


@pytest.fixture
def checkpoint(popflip, folder, tmp_path):
    status, _, err = popflip(
        "train", "--config", "tiny.toml", "--data", folder, "--engine", "golden",
        "--samples", 200, "--epochs", 1, "--out", tmp_path / "trained",
    )  # fmt: skip
    assert status == 0, err
    return tmp_path / "trained" / "checkpoint.npz"


def answered(result):
    assert result[0] == 0, result[2]
    return json.loads(result[1])


def test_a_network_goes_to_an_image_and_back(popflip, checkpoint, folder, tmp_path):
    file = tmp_path / "new" / "network.bin"
    argv = ["--checkpoint", checkpoint, "--bus", "axi", "--out", file]
    told = answered(popflip("export", *argv, "--json"))
    params = Params.load(folder / "tiny.toml")
    own = identity(params, "axi")
    assert (told["design"], told["array"], told["samples"]) == (own.hex(), None, None)
    assert told["bytes"] == file.stat().st_size
    meta, state = Trainer.read_checkpoint(checkpoint)
    image = NetworkImage.unpack(params, own, file.read_bytes())
    assert differences(image.state, state) == []
    assert image.tau == params.learning.tau_in_epoch(meta["epoch"])

    moved = tmp_path / "moved" / "checkpoint.npz"
    argv = ["--config", "tiny.toml", "--data", folder, "--image", file, "--out", moved]
    told = answered(popflip("save", *argv, "--bus", "axi", "--json"))
    assert (told["board"], told["engine"]) == (str(file), None)
    meta, again = Trainer.read_checkpoint(moved)
    assert differences(again, state) == []
    assert (meta["origin"]["design"], meta["origin"]["tau"]) == (own.hex(), list(image.tau))

    status, _, err = popflip("save", *argv)  # of another front end: another design
    assert status == 2
    assert err.startswith(f"popflip: the image is of design {own.hex()}, not ")


def test_a_network_as_an_array(popflip, checkpoint, tmp_path):
    files = [tmp_path / name for name in ("net-work.h", "network.bin")]
    for file in files:
        status, _, err = popflip("export", "--checkpoint", checkpoint, "-o", file)
        assert status == 0, err
    assert "net_work" in files[0].read_text()
    text = files[0].read_text()
    data = bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w),", text))
    assert data == files[1].read_bytes()
    assert f"unsigned char net_work[{len(data)}] = {{" in text


@pytest.mark.parametrize("part", ["train", "test"])
def test_samples(popflip, folder, tmp_path, part):
    file = tmp_path / "samples"
    argv = ["--config", "tiny.toml", "--data", folder, "--part", part, "--out", file]
    told = answered(popflip("export", "--samples", 30, *argv, "--json"))
    params, data = Params.load(folder / "tiny.toml"), load(folder)
    images, labels = (getattr(data, f"{part}_{what}")[:30] for what in ("images", "labels"))
    wanted = pack_samples(params, encode(images, params.network.thresholds), labels)
    assert file.read_bytes() == wanted.tobytes()
    assert (told["samples"], told["bytes"], told["design"]) == (30, wanted.size, None)
    assert np.frombuffer(file.read_bytes(), np.uint8)[params.sample_bytes - 1] == labels[0]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "name one of --checkpoint, --seed and --samples"),
        (["--samples", 1, "--seed", 1], "name one of --checkpoint, --seed and --samples"),
        (["--samples", 1, "--bus", "none"], "bus must be one of uart, axi, wishbone, not 'none'"),
        (["--samples", 1, "--part", "all"], "part must be train or test, not 'all'"),
        (["--samples", 3001], "samples must be at most 3000, not 3001"),
        (["--checkpoint", "x.npz"], "x.npz does not exist"),
    ],
)
def test_what_there_is_not(popflip, folder, argv, message):
    more = [] if "--checkpoint" in argv else ["--config", "tiny.toml", "--data", folder]
    status, _, err = popflip("export", *argv, *more, "-o", "never")
    assert (status, err.strip()) == (2, f"popflip: {message}")
    assert not (folder / "never").exists()


def test_a_network_that_has_learned_nothing(popflip, folder, tmp_path):
    file = tmp_path / "network.bin"
    status, _, err = popflip("export", "--config", "tiny.toml", "--seed", 5, "-o", file)
    assert status == 0, err
    params = Params.load(folder / "tiny.toml")
    image = NetworkImage.unpack(params, identity(params), file.read_bytes())
    assert differences(image.state, initial_state(params, 5)) == []
    assert (image.batch, image.tau) == (1, (3, 2))


def test_save_needs_one_place(popflip):
    for argv in ([], ["--board", "x", "--image", "y"]):
        status, _, err = popflip("save", *argv)
        assert (status, err.strip()) == (2, "popflip: name one of --board and --image")
