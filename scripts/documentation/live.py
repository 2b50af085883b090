"""The pictures of the live page: what it shows of a network that learns MNIST.

A headless Chromium looks at the page and leads it. From the top of the repository, on the virtual
board (minutes), or with any options of ``popflip live``::

    python -m popflip.scripts.documentation.live
    python -m popflip.scripts.documentation.live --engine fast
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from popflip.golden.support.files import write_atomically
from popflip.scripts.documentation.blocks import ROOT
from popflip.scripts.live.visitor import served
from popflip.scripts.session import Failure

__all__ = ["take"]

#: Training images of an epoch, and how many epochs before, during and after the disturbance.
SAMPLES, EPOCHS = 3000, (4, 4, 3)

#: Width of the pictures, and the height that the page is looked at with.
WIDTH, HEIGHT = 1280, 1800

#: The test sample that the second one explains: a 5 that is hard to read.
SAMPLE = 8

#: Milliseconds that anything may take: learning goes on in between.
LONG = 1_800_000

#: Strokes of a 7, in shares of the pad's side.
SEVEN = ((0.25, 0.27), (0.72, 0.27), (0.45, 0.85))


def _save(picture: bytes, path: Path) -> None:
    """Write a picture with no more colours than it takes; also rare ones stay what they are."""
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(255, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    write_atomically(path, buffer.getvalue())


def _learn(page: Page, epochs: int) -> None:
    """Learn so many epochs."""
    samples = page.get_by_test_id("samples")
    for _ in range(epochs):
        goal = int(samples.inner_text().replace(",", "")) + SAMPLES
        page.get_by_test_id("epoch").click()
        expect(samples).to_have_text(f"{goal:,}")
        expect(page.get_by_test_id("state")).to_contain_text("paused")


def _draw(page: Page) -> None:
    """Draw a 7."""
    pad = page.get_by_test_id("pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=15)
    page.mouse.up()
    expect(page.get_by_test_id("prediction")).not_to_have_text("nothing drawn")


def _shot(page: Page, last: Locator, **clip: float) -> bytes:
    """Take a picture from a place of the view down to the lower edge of an element."""
    box = last.bounding_box()
    assert box is not None
    clip["height"] = box["y"] + box["height"] + 8 - clip["y"]
    clip["y"] += page.evaluate("scrollY")
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]


def _explained(page: Page) -> bytes:
    """Explain a sample, and take a picture of it down to the synapses that it moves."""
    page.get_by_test_id("sample").fill(str(SAMPLE))
    page.get_by_test_id("explain").click()
    phase = page.get_by_test_id("phase")
    expect(phase).to_contain_text("free phase")
    slider = page.get_by_role("slider").locator("[tabindex]")
    while "nudged towards the label, sweep 2" not in phase.inner_text():
        before = phase.inner_text()
        slider.press("ArrowRight")
        expect(phase).not_to_have_text(before)
    slider.blur()
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # the bars have grown
    section = page.get_by_label("One sample explained").bounding_box()
    assert section is not None
    return _shot(page, page.get_by_test_id("moved"), **section)


def take(address: str, browser: str, folder: Path) -> list[Path]:
    """Lead a page that nobody has led before, and write its pictures.

    Parameters
    ----------
    address : str
    browser : str
        Path of a Chromium.
    folder : Path
        Gets ``live.png`` and ``live-explained.png``.
    """
    paths = [folder / "live.png", folder / "live-explained.png"]
    expect.set_options(timeout=LONG)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(address)
        expect(page.get_by_test_id("state")).to_contain_text("paused")
        _learn(page, EPOCHS[0])
        page.get_by_test_id("disturb").click()
        expect(page.get_by_test_id("state")).to_contain_text("disturbed")
        _learn(page, EPOCHS[1])
        page.get_by_test_id("calm").click()
        expect(page.get_by_test_id("state")).not_to_contain_text("disturbed")
        _learn(page, EPOCHS[2])
        before = page.get_by_test_id("tested").inner_text()  # of a test by the way
        page.get_by_test_id("test").click()
        expect(page.get_by_test_id("tested")).not_to_have_text(before)
        expect(page.get_by_test_id("state")).to_contain_text("paused")
        page.get_by_test_id("compare").click()
        expect(page.get_by_test_id("lamp")).to_contain_text("all bits compared at")
        _draw(page)
        page.wait_for_timeout(6000)  # notices are gone
        page.evaluate("scrollTo(0, 0)")
        shot = _shot(page, page.get_by_label("Draw", exact=True), x=0, y=0, width=WIDTH)
        _save(shot, paths[0])
        _save(_explained(page), paths[1])
        chromium.close()
    return paths


def _main(words: list[str]) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise Failure("the pictures need Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        with served(Path(folder), *words, "--samples", SAMPLES) as (address, _):
            for path in take(address, browser, ROOT / "docs" / "_static"):
                print(f"{path.relative_to(ROOT)} is written")


if __name__ == "__main__":
    _main(sys.argv[1:])
