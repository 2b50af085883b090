"""``popflip ablate``."""

import copy
import itertools
import re

import pytest
from matplotlib.image import imread

from popflip.golden.description.params import Params
from popflip.scripts.verbs.explore.ablate import settings
from popflip.scripts.verbs.explore.sweep.axis import Axis

# Workers import, and the engine is compiled if no other test came before.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], r"network\.image must be 8 x 8 for \S+, not 28 x 28"),
        (["--workers", "4096"], r"workers must be 1 to \d+, as many as .* threads, not 4096"),
        (["--epochs", "0"], r"epochs must be at least 1, not 0"),
        (["window"], r"topic must be one of learning, windows, rules, layers, not 'window'"),
    ],
)
def test_ablations_refuse_bad_input_in_one_line(popflip, folder, tmp_path, options, line):
    paths = ["--data", folder, "--out", tmp_path / "work", "--page", tmp_path / "page.md"]
    status, out, err = popflip("ablate", *paths, *options)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err
    assert not {path.name for path in tmp_path.iterdir()} & {"page", "page.md"}


@pytest.mark.slow
@pytest.mark.parametrize("calibrate", [False, True])
def test_ablations_make_a_page(folder, tmp_path, calibrate):
    asked = (
        settings.Ablation("beta", "Nudge strength", ("learning.beta=2,10,4", "learning.batch=5")),
        settings.Ablation("signs", "Signs", ("dynamics.gains=[50,30],[7,30],[40,30]",)),
    )
    base, page = str(folder / "batches.toml"), tmp_path / "page.md"
    topic = settings.Topic("learning", "Some", base, page, calibrate, asked)
    report = settings.run_ablations(
        topic, str(folder), tmp_path / "work", page, epochs=1, seeds=2, workers=2, validation=100
    )
    text = page.read_text()
    kbit = round(Params.load(base).memory_bits / 1000)
    for part in report["reports"]:
        assert f"```\n{part['command']}\n```" in text
        assert ("--calibrate" in part["command"]) == calibrate
        assert imread(tmp_path / "page" / f"{part['name']}.png").shape[2] == 4
        for row in part["rows"]:
            assert f"{row['error']:.2f} ± {row['spread']:.2f}" in text
    cells = re.findall(r"^\| (\d+) \|", text, re.M)
    assert cells == ["2", "4", "10"]
    assert re.findall(r"^\| \[(\d+), 30\] \|", text, re.M) == ["7", "40", "50"]
    assert len(re.findall(rf"\| {kbit} \|$", text, re.M)) == 6 * calibrate
    if calibrate:
        # Whatever gains a network was given, it has those that suit the data.
        errors = {row["error"] for row in report["reports"][1]["rows"]}
        assert len(errors) == 1


def test_every_topic_varies_networks_that_can_be():
    for topic in settings.TOPICS.values():
        base = Params.load(topic.base).model_dump(mode="json")
        for ablation in topic.ablations:
            axes = [Axis.parse(text) for text in ablation.vary]
            for values in itertools.product(*(axis.choices for axis in axes)):
                tree = copy.deepcopy(base)
                for axis, value in zip(axes, values, strict=True):
                    axis.put(tree, value)
                Params.build(tree)
