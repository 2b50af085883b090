"""``popflip export``, and the way back."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from popflip.boards.driver.image import NetworkImage
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.loading import load
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.state import NetworkState, differences, initial_state
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


def learned_in_c(params, start, x, labels, epochs):
    """What a program with the driver saves: of any machine that learns as golden does."""
    model = Model(params, start.state.weights, start.state.latents, start.state.sign_state)
    for _ in range(epochs):
        for first in range(0, len(x), model.batch):
            model.train(x[first : first + model.batch], labels[first : first + model.batch])
        model.flush()
    return replace(start, state=NetworkState(model.weights, model.latents, model.signs.state))


@pytest.fixture
def images(popflip, folder, tmp_path):
    """Images that a program begins with, and has learned: 50 samples, twice, in batches of 16."""
    start, samples, learned = (tmp_path / f"{name}.bin" for name in ("start", "x", "learned"))
    more = ["--config", "batches.toml", "--data", folder]
    assert popflip("export", *more, "--seed", 6, "--bus", "axi", "-o", start)[0] == 0
    assert popflip("export", *more, "--samples", 50, "-o", samples)[0] == 0
    params, data = Params.load(folder / "batches.toml"), load(folder)
    own = identity(params, "axi")
    image = NetworkImage.unpack(params, own, start.read_bytes())
    x, labels = encode(data.train_images[:50], params.network.thresholds), data.train_labels[:50]
    assert samples.read_bytes() == pack_samples(params, x, labels.astype(int)).tobytes()
    image = learned_in_c(params, image, x, labels.astype(int), 2)
    learned.write_bytes(image.pack(params, own))
    return params, image, start, learned


def test_what_a_program_has_learned_is_verified(popflip, folder, images):
    params, image, start, learned = images
    argv = ["--config", "batches.toml", "--data", folder, "--bus", "axi", "--image", learned]
    argv = ["verify", *argv, "--epochs", 2]
    told = answered(popflip(*argv, "--start", start, "--samples", 50, "--json"))
    assert (told["verified"], told["differences"]) == (True, [])
    assert (told["image"], told["start"], told["batch"]) == (str(learned), str(start), 16)
    status, out, err = popflip(*argv, "--seed", 6, "--samples", 50)
    assert status == 0, err
    assert "equal, every one" in out

    for wrong in (["--seed", 7, "--samples", 50], ["--seed", 6, "--samples", 49]):
        status, _, err = popflip(*argv, *wrong)
        assert status == 1
        assert " differ" in err
    image.state.latents[1][2, 1] ^= 1
    learned.write_bytes(image.pack(params, identity(params, "axi")))
    status, _, err = popflip(*argv, "--seed", 6, "--samples", 50)
    line = "popflip: not verified: 1 of 36 latents of layer 1 differ"
    assert (status, err.splitlines()[-1]) == (1, line)


def test_a_program_may_have_changed_its_settings(popflip, folder, images):
    params, image, start, learned = images
    data, own = load(folder), identity(params, "axi")
    other = params.replace(learning={"batch": 4, "tau": [2, 1]})
    begun = NetworkImage.unpack(params, own, start.read_bytes())
    begun = replace(begun, batch=4, tau=(2, 1))
    x = encode(data.train_images[:30], params.network.thresholds)
    image = learned_in_c(other, begun, x, data.train_labels[:30].astype(int), 1)
    learned.write_bytes(image.pack(params, own))
    argv = ["--config", "batches.toml", "--data", folder, "--bus", "axi", "--image", learned]
    told = answered(popflip("verify", *argv, "--seed", 6, "--samples", 30, "--json"))
    assert (told["verified"], told["batch"], told["tau"]) == (True, 4, [2, 1])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--image", "x"], "--image needs --samples: how many the program has learned"),
        (["--image", "x", "--samples", 3, "--engine", "golden"],
         "--engine has no place beside --image, which golden alone verifies"),
        (["--image", "x", "--samples", 3, "--bus", "none"],
         "bus must be one of uart, axi, wishbone, not 'none'"),
        (["--image", "x", "--samples", 3, "--seed", 1, "--start", "y"],
         "name one of --start and --seed, not both"),
        (["--image", "x.bin", "--samples", 3], "x.bin: No such file or directory"),
        (["--bus", "axi"], "--bus goes with --image"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_verified(popflip, folder, argv, message):
    status, _, err = popflip("verify", "--config", "tiny.toml", *argv)
    assert (status, err.strip()) == (2, f"popflip: {message}")


def test_an_image_is_saved_without_data(popflip, folder, tmp_path):
    """A network that fits no data set of ours; verbs that need data say so."""
    image, file = tmp_path / "image.bin", tmp_path / "checkpoint.npz"
    assert popflip("export", "--config", "tiny.toml", "--seed", 3, "-o", image)[0] == 0
    status, out, err = popflip("save", "--config", "tiny.toml", "--image", image, "-o", file)
    assert status == 0, err
    assert f"tiny: image {image} saved as {file}" in out
    params = Params.load(folder / "tiny.toml")
    assert differences(Trainer.read_checkpoint(file)[1], initial_state(params, 3)) == []
    again = tmp_path / "again.bin"
    assert popflip("export", "--checkpoint", file, "-o", again)[0] == 0
    assert again.read_bytes() == image.read_bytes()
    status, _, err = popflip("infer", "--checkpoint", file, "--engine", "golden")
    assert status == 2
    assert err.strip().endswith("name that data set with --data")
    argv = ["--checkpoint", file, "--engine", "golden", "--data", folder]
    assert popflip("infer", *argv)[0] == 0


def test_samples_of_other_images_are_asked_for(popflip):
    status, _, err = popflip("export", "--config", "tiny.toml", "--samples", 3, "-o", "never")
    assert (status, err.strip()) == (
        2, "popflip: network.image must be 28 x 28 for mnist, not 8 x 8; name your data by --data"
    )  # fmt: skip


def test_save_needs_one_place(popflip):
    for argv in ([], ["--board", "x", "--image", "y"]):
        status, _, err = popflip("save", *argv)
        assert (status, err.strip()) == (2, "popflip: name one of --board and --image")
