"""Checkpoints that are not whole, not for this training, or not checkpoints."""

import io
import json
import re
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from popflip.golden.datasets.loading import from_arrays
from popflip.golden.datasets.reading.raw import RawSamples
from popflip.golden.description.params import Params
from popflip.golden.support.files import FileError
from popflip.golden.training.checkpoint import (
    CheckpointError,
    opened_checkpoint,
    read_checkpoint,
    read_encoder,
    write_checkpoint,
)
from popflip.golden.training.state import differences
from popflip.golden.training.tests.glyphs import DATA, build, trainer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "good.npz"
    t = trainer(build(), samples=50, test_samples=20)
    t.run(1)
    t.save(path)
    return path


def refuses(path, message, params=None, **options):
    """Assert that a checkpoint is refused in these words and changes nothing."""
    t = trainer(params or build(), **{"samples": 50, "test_samples": 20, **options})
    before = t.machine.read_state()
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        t.resume(path)
    assert differences(t.machine.read_state(), before) == []
    assert (t.epoch, t.position, t.history) == (0, 0, [])


def change(path, target, meta=(), **arrays):
    """Write a checkpoint again with some of its contents changed; None takes one out."""
    with np.load(path) as file:
        found = dict(file)
    told = json.loads(str(found["meta"])) | dict(meta)
    told = {name: value for name, value in told.items() if value is not None}
    found = found | arrays | {"meta": np.array(json.dumps(told))}
    np.savez(target, **{name: value for name, value in found.items() if value is not None})


def test_refuses_a_missing_checkpoint(tmp_path):
    path = tmp_path / "none.npz"
    refuses(path, f"{path} does not exist")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"network": {"hidden": [25]}}, "network differs"),
        ({"dynamics": {"gains": [80, 31]}}, "dynamics differs"),
        ({"learning": {"tau": [6, 5]}}, "learning differs"),
        ({"network": {"copies": 3}, "learning": {"batch": 8}}, "network, learning differ"),
    ],
)
def test_refuses_a_checkpoint_of_another_network(checkpoint, changes, parts):
    message = f"{checkpoint} is of another network: its {parts}"
    refuses(checkpoint, message, build().replace(**changes))


@pytest.mark.parametrize(
    ("name", "value", "was"), [("seed", 2, 1), ("samples", 51, 50), ("test_samples", 21, 20)]
)
def test_refuses_a_checkpoint_made_otherwise(checkpoint, name, value, was):
    refuses(checkpoint, f"{checkpoint} was made with {name} {was}, not {value}", **{name: value})


def test_refuses_a_checkpoint_of_other_data(checkpoint):
    other = replace(DATA, name="letters", test_labels=DATA.test_labels[::-1].copy())
    refuses(checkpoint, f"{checkpoint} was trained on glyphs, not letters", data=other)
    other = replace(other, name="glyphs")
    message = f"{checkpoint} was trained on glyphs, not other data of that name"
    refuses(checkpoint, message, data=other)
    # The same data in a folder of another name are the same data.
    renamed = replace(DATA, name="letters")
    trainer(build(), data=renamed, samples=50, test_samples=20).resume(checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        *({"meta": {name: None}} for name in ("seed", "data", "samples", "epoch", "so_far")),
        *({"meta": {"epoch": value}} for value in ("1", -1, 1.5, 3)),
        *({"meta": {"position": value}} for value in (-5, 5000)),
        {"meta": {"history": [{}]}},
        {"meta": {"so_far": 5}},
        {"meta": {"so_far": {}}},
        *({"meta": {"so_far": {"flips": value}}} for value in ([], [0], [0, "1"], [0, 0, 0])),
        {"meta": {"sign_state": 0}},
        {"meta": {"surprise": 1}},
        {"weights0": None},
        {"weights0": np.zeros((3, 3), bool)},
        {"weights1": np.array("text")},
        {"latents0": "nan"},
        {"latents0": "large"},
    ],
    ids=str,
)
def test_refuses_contents_that_no_training_leaves(checkpoint, tmp_path, changes):
    shape = build().synapses(0)
    latents = {
        "nan": np.full((shape.rows, shape.row_bits), np.nan),
        "large": np.full((shape.rows, shape.row_bits), 1000, np.int16),
    }
    if "latents0" in changes:
        changes = {"latents0": latents[changes["latents0"]]}
    path = tmp_path / "odd.npz"
    change(checkpoint, path, **changes)
    refuses(path, f"{path} is not a checkpoint of popflip, or is damaged")


def test_refuses_parameters_that_are_not_valid(checkpoint, tmp_path):
    path = tmp_path / "odd.npz"
    tree = build().model_dump(mode="json")
    tree["network"]["classes"] = 1
    change(checkpoint, path, {"params": tree})
    why = "network.classes must be at least 2, not 1"
    refuses(path, f"{path} holds parameters that are not valid: {why}")


def test_a_checkpoint_with_the_old_name_of_a_section_reads(checkpoint, tmp_path):
    path = tmp_path / "old.npz"
    tree = build().model_dump(mode="json")
    tree["alone"] = tree.pop("standalone")
    change(checkpoint, path, {"params": tree})
    with pytest.warns(FutureWarning, match="'alone' is called 'standalone' now"):
        meta, _ = read_checkpoint(path)
    with pytest.warns(FutureWarning, match="'alone' is called 'standalone' now"):
        assert Params.build(meta["params"]) == build()


def test_refuses_a_damaged_checkpoint(checkpoint, tmp_path):
    good, path = checkpoint.read_bytes(), tmp_path / "bad.npz"
    message = f"{path} is not a checkpoint of popflip, or is damaged"
    pieces = [good[:n] for n in (0, 1, 30, len(good) // 2, len(good) - 1)]
    for content in (*pieces, b"nonsense", good[len(good) // 2 :] + good[: len(good) // 2]):
        path.write_bytes(content)
        refuses(path, message)
    # Bytes spoiled anywhere: refused in one line, or of no importance.
    t = trainer(build(), samples=50, test_samples=20)
    t.resume(checkpoint)
    state, refused = t.machine.read_state(), 0
    for position in range(5, len(good), 61):
        spoiled = bytearray(good)
        spoiled[position] ^= 0x5A
        path.write_bytes(spoiled)
        try:
            _, found = read_checkpoint(path)
        except CheckpointError:
            refused += 1
        else:
            assert differences(found, state) == [], f"byte {position}"
    assert refused > len(good) // 61 // 2


def test_refuses_a_checkpoint_of_another_format(checkpoint, tmp_path):
    path = tmp_path / "later.npz"
    change(checkpoint, path, {"format": 2})
    refuses(path, f"{path} is a checkpoint of format 2; this popflip reads format 1")


def test_refuses_arrays_that_are_no_checkpoint(tmp_path):
    for name, save in (
        ("array.npy", lambda path: np.save(path, np.arange(3))),
        ("arrays.npz", lambda path: np.savez(path, x=np.arange(3))),
        ("meta.npz", lambda path: np.savez(path, meta=np.array("{}"))),
        ("list.npz", lambda path: np.savez(path, meta=np.array("[1]"))),
        ("text.npz", lambda path: np.savez(path, meta=np.array("no json"))),
    ):
        path = tmp_path / name
        save(path)
        refuses(path, f"{path} is not a checkpoint of popflip, or is damaged")
    with pytest.raises(FileError, match=f"^{re.escape(str(tmp_path))}: Is a directory$"):
        read_checkpoint(tmp_path)


def huge(path, target, name, header=None):
    """Write a checkpoint again with one array that is far larger than it should be."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            content = old.read(entry)
            if entry != f"{name}.npy":
                new.writestr(entry, content)
                continue
            with new.open(entry, "w") as file:
                file.write(content if header is None else header)
                for _ in range(64):
                    file.write(bytes(1 << 20))


def npy_header(kind, shape):
    """The header of an array, without the array."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("weights0", None),
        ("latents1", None),
        ("meta", None),
        ("weights0", npy_header("|b1", (64 << 20,))),
        ("weights0", npy_header("|b1", (1 << 40, 1 << 20))),
        ("meta", npy_header("<U16777216", ())),
        ("meta", npy_header("<U100000000", ())),
    ],
)
def test_no_more_is_read_than_there_must_be(checkpoint, tmp_path, name, header):
    path = tmp_path / "huge.npz"
    huge(checkpoint, path, name, header)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="is damaged"):
            read_checkpoint(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A text of the stated limit is read whole.
    assert most < (8 << 20 if name != "meta" or header is None else 400 << 20)


@pytest.fixture
def table(tmp_path):
    """A checkpoint of a network that learned from a table."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(40, 36))
    columns = [f"c{i}" for i in range(36)]
    data = from_arrays(values, np.where(values[:, 0] > 0, "up", "down"), columns=columns, name="t")
    params = build().replace(network={"image": list(data.train_images.shape[1:])})
    path = tmp_path / "table.npz"
    trainer(params, data=data).save(path)
    return path, data, RawSamples(values, None, "new")


def test_the_encoder_and_the_classes_come_with_it(table):
    path, data, new = table
    meta, _ = read_checkpoint(path)
    assert meta["classes"] == ["down", "up"]
    assert meta["data_source"] is None
    found = read_encoder(path)
    assert found.describe() == data.encoder.describe()
    np.testing.assert_array_equal(found.encode(new), data.encoder.encode(new))


def test_a_checkpoint_without_an_encoder(checkpoint, tmp_path):
    path = tmp_path / "old.npz"
    change(checkpoint, path, {"data_source": None, "classes": None})
    meta, _ = read_checkpoint(path)
    assert "classes" not in meta
    assert read_encoder(path) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"image": [1, 35]},
        {"image": [0, 36]},
        {"shape": []},
        {"columns": ["a"]},
        {"groups": 35},
        {"groups": -1},
        {"per": "half"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_refuses_an_encoder_that_none_is(table, tmp_path, changes):
    good, _, _ = table
    meta, _ = read_checkpoint(good)
    path = tmp_path / "odd.npz"
    change(good, path, {"encoder": meta["encoder"] | changes})
    with pytest.raises(CheckpointError, match=r"is not a checkpoint of popflip, or is damaged$"):
        read_encoder(path)


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_written_is_read_again(tmp_path, compress):
    arrays = {
        "rows": np.arange(12, dtype=np.int16).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
        "one": np.array(2.5),
        "none": np.zeros((0, 3), bool),
    }
    path = tmp_path / "a.npz"
    write_checkpoint(path, {"format": 7, "title": "\u00fc"}, arrays, compress)
    with opened_checkpoint(path, 7, "a test") as (found, meta):
        assert meta == {"format": 7, "title": "\u00fc"}
        for name, array in arrays.items():
            read = found.read(name, array.shape, array.dtype)
            assert read.dtype == array.dtype
            np.testing.assert_array_equal(read, array, name)
            read[...] = 0  # it can be written to
    for shape, kind in (((4, 3), np.int16), ((3, 4), np.uint16), ((12,), np.int16)):
        with pytest.raises(CheckpointError, match=r"a\.npz is not a test, or is damaged$"):
            with opened_checkpoint(path, 7, "a test") as (found, _):
                found.read("rows", shape, kind)


def test_arrays_of_objects_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    write_checkpoint(path, {"format": 7}, {"rows": np.array([{}, None])})
    with pytest.raises(CheckpointError, match="is damaged"):
        with opened_checkpoint(path, 7, "a test") as (found, _):
            found.read("rows", (2,), object)
