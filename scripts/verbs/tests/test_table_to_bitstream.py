"""From a CSV file to a bitstream, by the five commands of the documentation."""

import csv
import json

import pytest

from popflip.golden.description.params import Params
from popflip.scripts.documentation.blocks import ROOT
from popflip.scripts.documentation.commands import find_commands
from popflip.scripts.verbs.hardware import flash

pytestmark = [pytest.mark.timeout(3600), pytest.mark.usefixtures("default_signals")]

PAGE = ROOT / "docs" / "start" / "own-data.md"


def five_commands():
    """Words of the commands below the heading, without ``popflip``."""
    lines = PAGE.read_text("utf-8").splitlines()
    first = lines.index("## From a table to a bitstream") + 1
    last = next(n for n, line in enumerate(lines) if n > first and line.startswith("## "))
    return [one.words[1:] for one in find_commands([PAGE]) if first < one.line < last]


def test_there_are_five():
    assert [words[0] for words in five_commands()] == ["data", "new", "build", "flash", "train"]


@pytest.mark.slow
def test_all_but_the_cable(command, tmp_path, monkeypatch):
    from sklearn.datasets import load_iris

    monkeypatch.chdir(tmp_path)
    iris = load_iris()
    with open("flowers.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sepal length", "sepal width", "petal length", "petal width", "species"])
        rows.writerows(
            [*values, iris.target_names[label]]
            for values, label in zip(iris.data, iris.target, strict=True)
        )
    written = []
    monkeypatch.setattr(flash, "load", lambda board, file, **_: written.append(file))

    def typed(words):
        status, out, err = command(*words, "--json")
        assert status == 0, err
        return json.loads(out)

    inspect, new, build, to_board, train = five_commands()
    assert list(typed(inspect)["classes"]) == ["setosa", "versicolor", "virginica"]
    found = typed(new)
    assert found["best"]["error"] < 10
    built = typed(build)
    assert built["fmax_mhz"] >= built["core_mhz"]
    for kind, used in built["used"].items():
        assert used <= built["available"][kind]
    typed(to_board)
    (bitstream,) = written
    assert bitstream.stat().st_size > 10_000
    # The virtual board in place of the port: the same network, as it was built.
    virtual = train[: train.index("--board")]
    report = typed([*virtual, "--epochs", "5", "--out", "run"])
    assert report["test_error"] < 25
    network = Params.load("build/icebreaker/params.toml").network
    assert (network.image, network.classes) == ((1, 4), 3)
