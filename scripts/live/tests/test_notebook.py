"""``popflip.live``: the widget, and the notebook of the documentation."""

import base64
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import popflip
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import differences
from popflip.scripts.live.notebook import live
from popflip.scripts.session import Failure
from popflip.scripts.training.runs.reports import State

LONG = 120.0

NOTEBOOK = Path(__file__).resolve().parents[3] / "docs" / "examples" / "live.ipynb"


@pytest.fixture(scope="module")
def shown(folder):
    with live(folder / "tiny.toml", data=str(folder), engine="golden", samples=300) as shown:
        shown.wait(lambda report: report.state is State.PAUSED, LONG)
        yield shown


def until(what):
    end = time.monotonic() + LONG
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_is_offered_by_the_package():
    assert popflip.live is live
    with pytest.raises(AttributeError, match=r"^module 'popflip' has no attribute 'alive'$"):
        popflip.alive  # noqa: B018
    # What need not be loaded is not.
    code = "import popflip, sys; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_widget_follows_the_run(shown):
    box = shown.widget
    _, figures, curves, weights = box.children
    assert "data:image/png" in weights.value
    buttons = {button.description: button for button in box.children[0].children}
    before = curves.value
    buttons["Start"].click()
    until(lambda: shown.report.total.samples > 50)
    buttons["Pause"].click()
    until(lambda: shown.report.state is State.PAUSED)
    learned = shown.report.total.samples
    until(lambda: f"{learned:,} samples" in figures.value)
    assert curves.value.startswith('<img src="data:image/png;base64,')
    assert curves.value != before
    buttons["Test"].click()
    until(lambda: "test error" in figures.value)
    until(lambda: f"equal to golden to sample {learned:,}" in figures.value)
    bundle = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_cells_lead_it(shown):
    shown.reset()
    shown.learn(120)
    assert shown.exhibit.history.at == 120
    assert 0 <= shown.test(50) <= 100
    image, label = shown.exhibition.sample(0)
    before = shown.run.look().result(LONG)
    shown.teach(image, (label + 1) % 3, times=30)
    assert shown.predict(image) == shown.exhibition.classes[(label + 1) % 3]
    shown.undo()
    assert differences(shown.run.look().result(LONG), before) == []
    shown.disturb("invert")
    shown.start(10)
    shown.wait(lambda report: report.state is State.PAUSED and report.change == "invert", LONG)
    shown.disturb(None)
    assert shown.compare()
    with pytest.raises(InputError, match=r"^change must be one of "):
        shown.disturb("shake")


@pytest.mark.slow
def test_what_is_wrong_is_shown_and_an_end_is_one(folder):
    with live(folder / "tiny.toml", data=str(folder), engine="golden") as shown:
        shown.wait(lambda report: report.state is State.PAUSED, LONG)
        _, figures, _, _ = shown.widget.children
        shown.run._process.kill()
        until(lambda: "ended with status" in figures.value)
        start = shown.widget.children[0].children[0]
        start.click()
        assert not start.disabled
    assert start.disabled
    with pytest.raises(Failure):
        shown.start()


def test_what_cannot_be_shown(shown, folder, monkeypatch):
    with pytest.raises(InputError, match=r"engine must be fast or golden, not 'slow'"):
        live(folder / "tiny.toml", data=str(folder), engine="slow")
    monkeypatch.setattr(shown, "_widget", None)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    message = r"^popflip\.live needs ipywidgets, which is not installed: pip install 'popflip"
    with pytest.raises(InputError, match=message):
        assert shown.widget


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_of_the_documentation_runs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    values = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type == "execute_result", output
            values[cell.source.splitlines()[-1]] = output.data
    assert "image/png" in values["shown"]
    assert "application/vnd.jupyter.widget-view+json" in values["shown"]
    assert float(values["round(shown.test(), 1)"]["text/plain"]) < 30
    label, before, after, undone = eval(
        values["label, before, after, shown.predict(image)"]["text/plain"]
    )
    assert before == undone
    assert after == str((label + 1) % 10)
    shaken, recovered = eval(values["errors"]["text/plain"])
    assert recovered < shaken - 10
    assert values["shown.compare()"]["text/plain"] == "True"
