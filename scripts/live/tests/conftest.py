"""Fixtures of the tests of the page: a small data set of strokes, and the page in a browser."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from popflip.scripts.live.drawing import Drawing, centred
from popflip.scripts.tests.fixtures import folder, write_idx

__all__ = ["folder"]

#: Strokes of some digits, from the upper left corner in shares of the side.
STROKES = {
    0: [(0.35, 0.3), (0.65, 0.3), (0.7, 0.5), (0.65, 0.75), (0.35, 0.75), (0.3, 0.5), (0.35, 0.3)],
    1: [(0.5, 0.2), (0.5, 0.8)],
    7: [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)],
}

NETWORK = """\
[network]
image = [14, 14]
hidden = [40]
classes = 8
copies = 4

[dynamics]
gains = [30, 16]

[learning]
tau = [4, 3]

[machine]
row_lanes = 98
relax_lanes = 4
latent_lanes = [49, 4]
"""

#: Seconds that a browser waits for anything: it ends if something hangs.
LONG = 60


def stroke(digit, side, rng=None):
    """Return points of a digit on an image, moved a little at random."""
    points = np.array(STROKES[digit]) * side
    return points if rng is None else points + rng.normal(0, 0.035 * side, points.shape)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A folder with drawn digits as a data set, and a network for them."""
    folder = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(3)
    for part, n in (("train", 600), ("t10k", 60)):
        labels = rng.choice(list(STROKES), n).astype(np.uint8)
        images = []
        for label in labels:
            drawing = Drawing((14, 14))
            points = stroke(int(label), 14, rng)
            drawing.begin(*points[0])
            for point in points[1:]:
                drawing.go_on(*point)
            images.append(centred(drawing.image))
        write_idx(folder / f"{part}-images-idx3-ubyte", np.array(images))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    (folder / "net.toml").write_text(NETWORK)
    return folder


def learner(folder, *words):
    """Return words of a call that serves the small network on the golden model."""
    return ["--config", folder / "net.toml", "--data", folder, "--engine", "golden", *words]


@pytest.fixture(scope="session")
def chromium(browser_path):
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(chromium, address, **options):
    """Open a page in a browser of its own; it asks nothing of other hosts, and reports no error."""
    options.setdefault("viewport", {"width": 1280, "height": 900})
    context = chromium.new_context(**options)
    context.set_default_timeout(1000 * LONG)
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    host = address.split("/")[2]
    page.on(
        "request",
        lambda r: wrong.append(r.url) if not r.url.startswith(
            (f"http://{host}/", f"ws://{host}/", "data:", "blob:")) else None,
    )  # fmt: skip
    page.goto(address)
    page.get_by_test_id("lamp").first.wait_for()
    try:
        yield page
    finally:
        context.close()
    assert wrong == []


def shots() -> Path:
    """Return the folder of screenshots."""
    folder = Path(__file__).resolve().parents[3] / "build" / "live"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
