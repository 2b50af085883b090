"""``popflip ablate``."""

import re

import pytest
from matplotlib.image import imread

from popflip.scripts.verbs.explore import ablate

# Workers import, and the engine is compiled if no other test came before.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], r"network\.image must be 8 x 8 for \S+, not 28 x 28"),
        (["--workers", "4096"], r"workers must be 1 to \d+, as many as .* threads, not 4096"),
        (["--epochs", "0"], r"epochs must be at least 1, not 0"),
    ],
)
def test_ablations_refuse_bad_input_in_one_line(popflip, folder, tmp_path, options, line):
    paths = ["--data", folder, "--out", tmp_path / "work", "--page", tmp_path / "page.md"]
    status, out, err = popflip("ablate", *paths, *options)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err
    assert not {path.name for path in tmp_path.iterdir()} & {"page", "page.md"}


@pytest.mark.slow
def test_ablations_make_a_page(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ablate, "BASE", str(folder / "batches.toml"))
    asked = [
        ablate.Ablation("beta", "Nudge strength", ("learning.beta=2,10,4", "learning.batch=5")),
        ablate.Ablation("signs", "Signs", ("dynamics.gains=[50,30],[7,30],[40,30]",)),
    ]
    monkeypatch.setattr(ablate, "ABLATIONS", asked)
    page = tmp_path / "page.md"
    report = ablate.run_ablations(str(folder), tmp_path / "work", page, 1, 2, 2, 100)
    text = page.read_text()
    for part in report["reports"]:
        assert f"```\n{part['command']}\n```" in text
        assert imread(tmp_path / "page" / f"{part['name']}.png").shape[2] == 4
        for row in part["rows"]:
            assert f"{row['error']:.2f} ± {row['spread']:.2f}" in text
    cells = re.findall(r"^\| (\d+) \|", text, re.M)
    assert cells == ["2", "4", "10"]
    assert re.findall(r"^\| \[(\d+), 30\] \|", text, re.M) == ["7", "40", "50"]
