"""Data of one's own, from a file to predictions by name: the cases that once failed."""

import csv
import gzip
import json

import numpy as np
import pytest
from PIL import Image

from popflip.golden.datasets.tests.small import idx
from popflip.scripts.verbs.explore.sweep.study import default_epochs

#: A network for 8 x 8 pixels of 16 grey levels, and one for a table of two numbers.
PIXELS = """\
[network]
image = [8, 8]
hidden = [8]
classes = {classes}
{more}
[dynamics]
gains = [40, 30]

[learning]
tau = [3, 2]
"""
TABLE = """\
[network]
image = [1, 2]
thresholds = [63, 127, 191]
hidden = [16]
classes = 2
copies = 2

[dynamics]
gains = [60, 30]

[learning]
tau = [2, 2]

[data]
label = "kind"
"""


@pytest.fixture(scope="module")
def digits():
    """A few images of 8 x 8 pixels, 3 of which are of each of 26 classes, and their labels."""
    rng = np.random.default_rng(4)
    patterns = rng.random((26, 8, 8)) < 0.3
    labels = np.repeat(np.arange(26), 6)
    images = patterns[labels] ^ (rng.random((len(labels), 8, 8)) < 0.05)
    return (images * 255).astype(np.uint8), labels


def of_npz(folder, images, labels):
    np.savez(folder / "digits.npz", images=images.astype(float) / 255 * 16, target=labels)
    return folder / "digits.npz"


def of_csv(folder, images, labels):
    path = folder / "digits.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"pixel{i}" for i in range(64))])
        writer.writerows(zip(labels, *images.reshape(-1, 64).T, strict=True))
    return path


def of_pictures(folder, images, labels):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / "tree" / f"class {label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "tree" / f"class {label}" / f"{number}.png")
    return folder / "tree"


def of_emnist(folder, images, labels):
    """With EMNIST's prefix, and labels from 1 on."""
    for part in ("train", "test"):
        name = f"emnist-letters-{part}"
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        content = idx((labels + 1).astype(np.uint8))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(content)
    return folder


def of_qmnist(folder, images, labels):
    wide = np.zeros((len(labels), 8), ">i4")
    wide[:, 0] = labels
    for part in ("train", "test"):
        (folder / f"qmnist-{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"qmnist-{part}-labels-idx2-int").write_bytes(idx(wide, 12))
    return folder


@pytest.mark.parametrize("made", [of_npz, of_csv, of_pictures, of_emnist, of_qmnist])
def test_case_8_every_usual_file_is_learned(command, digits, tmp_path, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(PIXELS.format(classes=26, more=""))
    place = tmp_path / "mine"
    place.mkdir()
    path = made(place, *digits)
    status, out, err = command(
        "train", "--config", "net.toml", "--data", path, "--engine", "golden", "--out", "run",
        "--json",
    )  # fmt: skip
    assert status == 0, err
    report = json.loads(out)
    assert report["samples"] + report["test_samples"] == len(digits[1]) * (
        2 if made in (of_emnist, of_qmnist) else 1
    )


def test_case_7_a_dead_network_is_told_from_one_that_learns(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    labels = np.arange(240) % 3
    shapes = rng.random((3, 8, 8)) < 0.3
    images = (shapes[labels] ^ (rng.random((240, 8, 8)) < 0.05)).astype(np.uint8) * 255
    np.savez("mine.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    (tmp_path / "alive.toml").write_text(PIXELS.format(classes=3, more=""))
    dead = PIXELS.format(classes=3, more="").replace("[40, 30]", "[1, 1]")
    (tmp_path / "dead.toml").write_text(dead + "\n[standalone]\nflash = 'quad'\norder_bits = 8\n")
    words = ["--data", "mine.npz", "--engine", "golden", "--json"]

    status, out, err = command("train", "--config", "alive.toml", *words)
    assert (status, json.loads(out)["learns"]) == (0, True), err
    for verb in ("train", "watch"):
        status, out, err = command(verb, "--config", "dead.toml", *words, "--epochs", 1)
        assert (status, json.loads(out)["learns"]) == (1, False)
        (warning,) = [line for line in err.splitlines() if line.startswith("warning: ")]
        assert "hidden layer 1 is silent (0.0 % of its neurons are active)" in warning
        assert warning.endswith("; popflip calibrate chooses what suits the data")
        assert err.splitlines()[-1] == "popflip: dead has not learned; see the warning above"

    status, _, err = command("calibrate", "dead.toml", "--data", "mine.npz", "--write", "well.toml")
    assert status == 0, err
    status, out, err = command("train", "--config", "well.toml", *words, "--epochs", 2)
    assert (status, json.loads(out)["learns"]) == (0, True), err


def test_case_10_a_sweep_has_a_default_that_follows_the_data(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    labels = np.arange(1400) % 3
    images = (rng.random((1400, 8, 8)) < 0.2 + 0.2 * labels[:, None, None]).astype(float)
    np.savez("mine.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    (tmp_path / "net.toml").write_text(PIXELS.format(classes=3, more=""))
    status, out, err = command(
        "sweep", "--config", "net.toml", "--data", "mine.npz", "--samples", 64, "--epochs", 1,
        "--workers", 1, "--json",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["validation"] == 1400 // 6


def test_a_sweep_of_few_samples_has_more_epochs():
    assert [default_epochs(n) for n in (50_000, 10_000, 1_400, 40, 1)] == [1, 1, 7, 60, 60]


def test_case_14_no_data_are_needed_to_compare_a_core(command, tmp_path, monkeypatch):
    """The half that is data's: a network of another shape asks for no data set that has a name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "net.toml").write_text(PIXELS.format(classes=3, more=""))
    status, out, err = command(
        "cosim", "--config", "net.toml", "--simulator", "icarus", "--samples", 2, "--json"
    )
    assert status == 0, err
    assert json.loads(out)["data"] == "random samples"
    assert not (tmp_path / "cache" / "datasets").exists()


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """A table, and a training of it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    kind = rng.random(300) < 0.5
    rows = [f"{a:.3f},{b:.3f},{'rose' if k else 'lily'}" for a, b, k in zip(
        rng.normal(size=300) + 4 * kind, rng.normal(size=300), kind, strict=True
    )]  # fmt: skip
    (tmp_path / "flowers.csv").write_text("\n".join(["length,width,kind", *rows]) + "\n")
    (tmp_path / "net.toml").write_text(TABLE)
    return tmp_path


TRAIN = ["train", "--config", "net.toml", "--data", "flowers.csv", "--engine", "golden"]


def test_from_a_table_to_predictions_by_name(command, flowers):
    status, out, err = command(*TRAIN, "--epochs", 3, "--out", "run", "--json")
    assert status == 0, err
    assert json.loads(out)["test_error"] < 20
    checkpoint = ["--checkpoint", "run/checkpoint.npz", "--engine", "golden"]
    # The test set of the training, without naming it.
    status, out, err = command("infer", *checkpoint, "--json")
    assert status == 0, err
    tested = json.loads(out)
    assert (tested["classes"], tested["samples"]) == (["lily", "rose"], 60)
    # Samples without labels, in another order of the columns.
    (flowers / "new.csv").write_text("width,length,note\n0,4,a\n0,0,b\n0.1,4.5,c\n")
    status, out, err = command("infer", *checkpoint, "--data", "new.csv", "--predictions", "p.csv")
    assert status == 0, err
    assert "Predictions in order: rose, lily, rose" in out
    rows = list(csv.DictReader((flowers / "p.csv").read_text().splitlines()))
    assert rows == [
        {"image": str(i), "prediction": name} for i, name in enumerate(["rose", "lily", "rose"])
    ]
    # Samples with labels, whose error is then known.
    (flowers / "more.csv").write_text("length,width,kind\n4,0,rose\n0,0,rose\n")
    status, out, err = command("infer", *checkpoint, "--data", "more.csv", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert (found["samples"], found["correct"], found["first"]) == (2, 1, ["rose", "lily"])
    # Labels that are not there yet, as in tables to fill in; and columns without names.
    for table in ("width,kind,length\n0,,4\n0,rose,0\n", "4,0\n0,0\n"):
        (flowers / "blank.csv").write_text(table)
        status, out, err = command("infer", *checkpoint, "--data", "blank.csv", "--json")
        assert status == 0, err
        found = json.loads(out)
        assert (found["correct"], found["first"]) == (None, ["rose", "lily"])
    # Other samples, in the place of those of the training.
    kept = (flowers / "flowers.csv").read_text()
    (flowers / "flowers.csv").write_text("length,width\n4,0\n0,0\n")
    status, out, err = command("infer", *checkpoint, "--data", "flowers.csv", "--json")
    assert status == 0, err
    assert json.loads(out)["first"] == ["rose", "lily"]
    (flowers / "flowers.csv").write_text(kept)
    for table, line in (
        (
            "width\n1\n",
            "new.csv lacks columns that the network was trained with: length; it has: width",
        ),
        (
            "length,width,kind\n4,0,iris\n",
            "new.csv has labels that the training samples lack: iris; the classes are lily, rose",
        ),
        (
            "length,width\n4,\n",
            "new.csv: column 'width' lacks 1 of 1 values, the first in sample 1; fill them in, "
            'remove those samples, or leave the column out: data.ignore = ["width"]',
        ),
    ):
        (flowers / "new.csv").write_text(table)
        status, out, err = command("infer", *checkpoint, "--data", "new.csv")
        assert (status, out, err) == (2, "", f"popflip: {line}\n")


def test_a_training_goes_on_without_naming_its_data_again(command, flowers, monkeypatch):
    assert command(*TRAIN, "--out", "run")[0] == 0
    (flowers / "elsewhere").mkdir()
    monkeypatch.chdir(flowers / "elsewhere")
    again = ["train", "--resume", "--out", flowers / "run", "--epochs", 2]
    status, _, err = command(*again)
    assert status == 0, err
    path = flowers / "run" / "checkpoint.npz"
    table = flowers / "flowers.csv"
    content = table.read_text()
    table.write_text(content.replace("rose", "tulip", 200).replace("0.", "1.", 50))
    status, out, err = command(*again[:-1], 3)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"popflip: {path} was trained on other data than are in '{table}' now; name them with "
        "--data"
    )
    table.rename(flowers / "moved.csv")
    status, _, err = command(*again[:-1], 3)
    assert status == 2
    assert err.splitlines()[-1] == (
        f"popflip: {path} was trained on {table}, which is not there any more; name it with --data"
    )
    (flowers / "moved.csv").write_text(content)
    status, _, err = command(*again[:-1], 3, "--data", flowers / "moved.csv")
    assert status == 0, err


def test_the_label_is_named_on_the_command_line(command, flowers):
    (flowers / "net.toml").write_text(TABLE.partition("[data]")[0])
    status, _, err = command(*TRAIN, "--out", "run")
    assert (status, err) == (
        2, "popflip: flowers.csv: name the column of the labels with --label (data.label); the "
        "columns are: length, width, kind\n",
    )  # fmt: skip
    status, _, err = command(*TRAIN, "--label", "colour", "--out", "run")
    assert (status, err) == (
        2, "popflip: flowers.csv has no column 'colour'; it has: length, width, kind\n"
    )  # fmt: skip
    assert command(*TRAIN, "--label", "kind", "--out", "run")[0] == 0
    status, _, err = command("infer", "--checkpoint", "run/checkpoint.npz", "--engine", "golden")
    assert status == 0, err


def test_what_classes_and_columns_are_called_is_no_markup(command, flowers):
    path = flowers / "flowers.csv"
    content = path.read_text().replace("rose", "[/red]").replace("lily", "[bold]$x$ \u82b1")
    path.write_text(content.replace("length", "[blink]"))
    assert command(*TRAIN, "--out", "run")[0] == 0
    status, out, err = command("infer", "--checkpoint", "run/checkpoint.npz", "--engine", "golden")
    assert status == 0, err
    assert "[/red]" in out
    status, out, err = command("data", "--data", path, "--label", "kind", "--inspect")
    assert status == 0, err
    assert "[blink]" in out


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("rose", "lily"), "{} must have at least 2 classes, not 1: all samples are 'lily'"),
        (
            ("kind\n", "kind\nx,1,rose\n"),
            "{}: column 'length' must hold numbers or texts, not both",
        ),
        (
            ("kind\n", "kind\n,1,rose\n"),
            "{}: column 'length' lacks 1 of 301 values, the first in sample 1",
        ),
        (
            ("kind\n", "kind\nnan,1,rose\n"),
            "{}: column 'length' lacks 1 of 301 values, the first in sample 1",
        ),
        (
            ("kind\n", "kind\ninf,1,rose\n"),
            "{}: column 'length' lacks 1 of 301 values, the first in sample 1",
        ),
        (("kind\n", "kind\n1,1,\n"), "{}: 1 of 301 labels are missing, the first of sample 1"),
        (("width", "length"), "{}: columns must have different names, not two length"),
        (
            ("kind\n", "kind\n1,1,iris\n1,1,iris\n"),
            "network.classes must be at least 3 for flowers.csv, not 2",
        ),
        (
            ("length,width,kind", "length,width,height,kind"),
            "{}: row 2 must have 4 values, as the first, not 3",
        ),
    ],
)
def test_bad_tables_get_one_line(command, flowers, change, line):
    path = flowers / "flowers.csv"
    path.write_text(path.read_text().replace(*change))
    status, out, err = command(*TRAIN)
    assert (status, out) == (2, "")
    assert err.startswith(f"popflip: {line.format('flowers.csv')}"), err
    assert err.count("\n") == 1
