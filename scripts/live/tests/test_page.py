"""The page in a browser without a window: every control, by those who use it."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from popflip.golden.datasets.changes import KINDS, STRENGTH
from popflip.golden.training.checkpoint import read_checkpoint
from popflip.scripts.live.page.style import DARK_INK, INK
from popflip.scripts.live.tests.conftest import NETWORK, learner, opened, shots, stroke
from popflip.scripts.live.visitor import served

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

LONG = 60_000  # milliseconds that anything may take: it ends if something hangs

expect.set_options(timeout=LONG)


@pytest.fixture(scope="module")
def address(digits):
    with served(digits, *learner(digits)) as (address, _):
        yield address


@pytest.fixture
def page(chromium, address):
    """The page at the beginning: a new network, which learns nothing."""
    with opened(chromium, address) as page:
        expect(named(page, "state")).to_contain_text(re.compile("paused|learning"))
        if named(page, "pause").is_visible():
            named(page, "pause").click()
        named(page, "calm").click()
        named(page, "reset").click()
        expect(named(page, "samples")).to_have_text("0")
        yield page


def named(page, name):
    return page.get_by_test_id(name).first


def number(page, name="samples"):
    """Return a figure of the page."""
    found = re.search(r"[\d.,]+", named(page, name).inner_text())
    return float(found[0].replace(",", "")) if found else None


def learn_until(page, samples):
    """Have it learn so many samples or more, and pause."""
    named(page, "start").click()
    page.wait_for_function(
        "n => Number(document.querySelector('[data-testid=samples]').innerText.replace(/,/g, ''))"
        " >= n", arg=samples,
    )  # fmt: skip
    named(page, "pause").click()
    expect(named(page, "state")).to_contain_text("paused")


def learn_epochs(page, epochs):
    """Have it learn so many epochs of its 600 samples, and none more."""
    for epoch in range(1, epochs + 1):
        named(page, "epoch").click()
        expect(named(page, "samples")).to_have_text(f"{600 * epoch:,}")
    expect(named(page, "state")).to_contain_text("paused")


def choose(page, name, text):
    """Choose an entry of a list."""
    named(page, name).locator("xpath=ancestor-or-self::label").first.click()
    page.get_by_role("option", name=text, exact=True).and_(page.locator(":visible")).click()


def draw(page, digit):
    """Draw a digit with the mouse."""
    named(page, "clear").click()
    pad = named(page, "pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    points = [(box["x"] + x, box["y"] + y) for x, y in stroke(digit, box["width"])]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=12)
    page.mouse.up()


def test_it_learns_step_by_step_epoch_by_epoch_and_until_it_is_paused(page):
    named(page, "step").click()
    expect(named(page, "samples")).to_have_text("1")
    page.keyboard.press("s")
    expect(named(page, "samples")).to_have_text("2")
    named(page, "epoch").click()
    expect(named(page, "samples")).to_have_text("600")
    named(page, "test").click()
    expect(named(page, "tested")).to_contain_text("%")
    learn_until(page, 700)
    there = number(page)
    page.wait_for_timeout(1500)
    assert number(page) == there
    named(page, "compare").click()
    expect(named(page, "lamp")).to_contain_text(
        re.compile(r"equal to golden to sample [\d,]+, all bits compared at")
    )
    assert number(page, "error") < 50
    named(page, "reset").click()
    expect(named(page, "samples")).to_have_text("0")


def test_the_speed_is_what_one_chooses(page):
    choose(page, "speed", "5 /s")
    named(page, "start").click()
    expect(named(page, "samples")).to_have_text(re.compile(r"^[1-9]\d?$"))
    named(page, "pause").click()
    expect(named(page, "state")).to_contain_text("paused")
    assert number(page) < 100
    choose(page, "speed", "full speed")


def test_a_drawn_7_is_read_and_what_is_taught_is_learned_and_undone(page):
    learn_epochs(page, 2)  # more would make it so sure that 100 times are too few
    draw(page, 7)
    expect(named(page, "prediction")).to_have_text("7")
    named(page, "centre").click()  # as it was drawn
    expect(named(page, "prediction")).to_have_text(re.compile(r"^\d$"))
    named(page, "centre").click()
    draw(page, 1)
    expect(named(page, "prediction")).to_have_text("1")
    page.screenshot(path=shots() / "drawn.png", full_page=True)
    # It is a 3 from now on.
    choose(page, "label", "3")
    named(page, "times").fill("100")
    named(page, "teach").click()
    expect(named(page, "prediction")).to_have_text("3")
    named(page, "undo").click()
    expect(named(page, "prediction")).to_have_text("1")
    named(page, "explain-drawing").click()
    expect(named(page, "facts")).to_contain_text("prediction")


def test_a_disturbance_raises_the_error_and_the_network_recovers(page):
    learn_epochs(page, 2)
    calm = number(page, "error")
    choose(page, "change", "rotate-90")
    named(page, "disturb").click()
    expect(named(page, "state")).to_contain_text("disturbed: rotate-90")
    choose(page, "speed", "100 /s")  # else it might have recovered before anybody looks
    learn_until(page, 1350)
    shaken = number(page, "error")
    assert shaken > calm + 5
    choose(page, "speed", "full speed")
    learn_until(page, 2500)
    assert number(page, "error") < shaken
    page.screenshot(path=shots() / "recovered.png", full_page=True)
    named(page, "calm").click()
    expect(named(page, "state")).not_to_contain_text("disturbed")
    named(page, "bits").fill("300")
    named(page, "upset").click()
    named(page, "compare").click()
    expect(named(page, "lamp")).to_contain_text("equal to golden")


def test_every_change_of_the_samples_can_be_chosen(page):
    for kind in KINDS:
        choose(page, "change", kind)
        expect(named(page, "percent")).to_be_visible(visible=kind in STRENGTH)
        if kind in STRENGTH:
            named(page, "percent").fill("30" if kind == "noise" else "")
        if kind == "swap-labels":
            choose(page, "swap", "1")
            choose(page, "with", "0")
        named(page, "disturb").click()
        expect(named(page, "state")).to_contain_text(f"disturbed: {kind}")
        named(page, "step").click()
        expect(named(page, "samples")).to_have_text(str(1 + list(KINDS).index(kind)))
    choose(page, "change", "noise")
    named(page, "percent").fill("300")
    named(page, "percent").press("Tab")
    expect(named(page, "percent")).to_have_value("100")
    named(page, "disturb").click()
    expect(named(page, "state")).to_contain_text("disturbed: noise")
    named(page, "compare").click()
    expect(named(page, "lamp")).to_contain_text(f"all bits compared at {len(KINDS)}")


def test_weights_are_seen_and_a_sample_is_explained_sweep_by_sweep(page):
    learn_until(page, 300)
    expect(named(page, "network").locator("img")).to_have_attribute(
        "alt", "Weights of the first layer"
    )
    page.get_by_text("Latents", exact=True).click()
    expect(named(page, "network").locator("img")).to_have_attribute(
        "alt", "Latents of the first layer"
    )
    named(page, "sample").fill("5")
    named(page, "explain").click()
    expect(named(page, "phase")).to_contain_text("free phase, sweep 0")
    slider = page.get_by_role("slider").locator("[tabindex]")
    slider.focus()
    seen = set()
    for _ in range(20):
        seen.add(named(page, "phase").inner_text().split(",")[0])
        slider.press("ArrowRight")
        page.wait_for_timeout(150)
    assert seen == {"free phase", "nudged towards the label", "nudged away from the label"}
    expect(named(page, "facts")).to_contain_text("undecided neurons")
    expect(named(page, "contrast")).to_contain_text("of 40 hidden neurons")
    expect(named(page, "differ").locator("img")).to_be_visible()
    named(page, "neuron").fill("3")
    expect(named(page, "window")).to_contain_text(re.compile(r"hidden neuron 3: drive -?[\d,]+, "))


def test_samples_can_be_browsed(page):
    learn_until(page, 900)
    named(page, "browse").fill("3")
    named(page, "show-sample").click()
    expect(named(page, "prediction")).to_have_text(re.compile(r"^\d$"))
    named(page, "clear").click()
    expect(named(page, "prediction")).to_have_text("nothing drawn")
    for name in ("teach", "explain-drawing"):
        named(page, name).click()
    expect(page.get_by_text("draw something first").first).to_be_visible()
    named(page, "browse").fill("9999")
    named(page, "show-sample").click()
    expect(page.get_by_text("sample must be 0 to 59, not 9999")).to_be_visible()


def test_a_checkpoint_is_saved_and_loaded(page, tmp_path):
    learn_until(page, 100)
    with page.expect_download() as download:
        named(page, "save").click()
    path = tmp_path / "checkpoint.npz"
    download.value.save_as(path)
    assert read_checkpoint(path)[0]["streamed"]["samples"] == number(page)
    named(page, "load").click()
    page.set_input_files("input[type=file]", path)
    expect(page.get_by_text("checkpoint loaded")).to_be_visible()
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    page.set_input_files("input[type=file]", tmp_path / "bad.npz")
    expect(page.get_by_text("the file is not a checkpoint of popflip")).to_be_visible()
    (tmp_path / "bad.txt").write_text("no checkpoint")
    page.set_input_files("input[type=file]", tmp_path / "bad.txt")
    expect(page.get_by_text("a checkpoint is a file .npz of at most 256 MiB")).to_be_visible()
    named(page, "close-upload").click()
    expect(named(page, "close-upload")).not_to_be_visible()


def test_a_page_to_share_opens_without_a_network(page, chromium, tmp_path):
    learn_until(page, 300)
    with page.expect_download() as download:
        named(page, "export").click()
    download.value.save_as(tmp_path / "page.html")
    context = chromium.new_context(offline=True)
    shared = context.new_page()
    wrong = []
    shared.on(
        "request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r)
    )
    shared.goto(f"file://{tmp_path / 'page.html'}")
    expect(shared.locator("h1")).to_contain_text("a network that learns on chip")
    assert shared.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    assert wrong == []
    report = Axe().run(shared)
    assert report.violations_count == 0, report.generate_report()
    shared.screenshot(path=shots() / "shared.png", full_page=True)
    context.close()


def test_reload_two_tabs_and_a_second_client(page, chromium, address):
    named(page, "start").click()
    with opened(chromium, address) as other:
        tab = other.context.new_page()
        tab.goto(address)
        for _ in range(3):
            page.reload()
            named(page, "lamp").wait_for()
        expect(named(page, "state")).to_contain_text("learning")
        named(tab, "pause").click()
        for seen in (page, other, tab):
            expect(named(seen, "state")).to_contain_text("paused")
        assert len({named(seen, "samples").inner_text() for seen in (page, other, tab)}) == 1


def test_keys_lead_it(page):
    page.keyboard.press("e")
    expect(named(page, "samples")).to_have_text("600")
    page.keyboard.press("t")
    expect(named(page, "tested")).to_contain_text("%")
    expect(named(page, "state")).to_contain_text("paused")
    page.keyboard.press("p")
    expect(named(page, "state")).to_contain_text("learning")
    page.keyboard.press("p")
    expect(named(page, "state")).to_contain_text("paused")
    there = number(page)
    named(page, "times").click()
    page.keyboard.type("s")  # into a field it is no key
    named(page, "step").click()
    expect(named(page, "samples")).to_have_text(f"{int(there) + 1:,}")
    page.keyboard.press("s")  # on the button that was pressed last it is one
    expect(named(page, "samples")).to_have_text(f"{int(there) + 2:,}")


def test_dark_and_light(page):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    named(page, "explain").click()
    expect(named(page, "facts")).to_contain_text("prediction")
    axes = """[...document.querySelectorAll('.chart')].map(
      e => getElement(e.id.slice(1)).chart.getOption().textStyle.color)"""
    assert set(page.evaluate(axes)) == {INK}
    named(page, "dark").click()
    page.wait_for_function(f"light => {ground} != light", arg=light)
    page.wait_for_function(f"ink => {axes}.every(c => c == ink)", arg=DARK_INK)
    named(page, "dark").click()
    page.wait_for_function(f"light => {ground} == light", arg=light)


def test_a_finger_draws_on_a_phone(chromium, address):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(chromium, address, **phone) as page:
        pad = named(page, "pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        session = page.context.new_cdp_session(page)
        points = [(box["x"] + x, box["y"] + y) for x, y in stroke(7, box["width"])]
        path = [
            (x + (u - x) * k / 12, y + (v - y) * k / 12)
            for (x, y), (u, v) in pairwise(points) for k in range(13)
        ]  # fmt: skip
        for number, (x, y) in enumerate(path):
            kind = "touchMove" if number else "touchStart"
            session.send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            )
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(named(page, "prediction")).to_have_text(re.compile(r"^\d$"))
        page.screenshot(path=shots() / "phone.png")


#: What is looked at or typed into by a test of its own way, in place of its name.
ELSEWHERE = {"sweep": 'get_by_role("slider")', "inside": "Latents", "upload": "input[type=file]"}


def test_every_control_is_used_by_a_test(page):
    named(page, "explain").click()
    expect(named(page, "facts")).to_contain_text("prediction")
    names = page.evaluate("""[...document.querySelectorAll('[data-testid]')].filter(
      e => e.matches('button, input, .q-slider, .q-option-group, .q-toggle, .q-uploader')
    ).map(e => e.dataset.testid)""")
    assert len(names) > 25
    text = Path(__file__).read_text("utf-8")
    unused = [name for name in names if ELSEWHERE.get(name, f'"{name}"') not in text]
    assert unused == []
    unnamed = page.evaluate("""[...document.querySelectorAll('button, input')].filter(
      e => e.offsetParent && !e.closest('[data-testid]')).map(e => e.outerHTML)""")
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
def test_everybody_can_use_it(chromium, address, scheme, size):
    viewport = {"width": size[0], "height": size[1]}
    with opened(chromium, address, color_scheme=scheme, viewport=viewport) as page:
        named(page, "explain").click()
        expect(named(page, "facts")).to_contain_text("prediction")
        page.wait_for_timeout(1500)  # notices are gone, colours have faded over
        report = Axe().run(page)
        page.screenshot(path=shots() / f"{scheme}-{size[0]}.png", full_page=True)
        assert report.violations_count == 0, report.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


def test_bad_messages_change_nothing(page, address, chromium):
    learn_until(page, 50)
    before = number(page)
    page.evaluate("""async () => {
      const bad = [null, 0, -1, NaN, 1e308, '', 'x', '../../etc/passwd', [], {}, [[]], {a: 1},
        true, 'a'.repeat(3000), {mouse_event_type: 'pointerdown', image_x: 'x', image_y: null},
        {mouse_event_type: 'pointermove', image_x: 1e300, image_y: -1e300, buttons: 1}];
      let seed = 7;
      const any = n => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
      const listeners = Object.entries(mounted_app.elements).flatMap(
        ([id, e]) => (e.events ?? []).filter(l => l.type != 'click' && l.type != 'key').map(
          l => ({id: Number(id), listener_id: l.listener_id})));
      const ids = [...document.querySelectorAll('[id^=c]')].map(e => Number(e.id.slice(1)));
      const kinds = ['event', 'event', 'event', 'javascript_response', 'ack', 'log', 'handshake',
        'nothing'];
      for (let i = 0; i < 10000; i++) {
        const value = bad[any(bad.length)];
        window.socket.emit(kinds[any(kinds.length)], any(4) ? {
          client_id: any(3) ? window.clientId : value, id: any(9) ? ids[any(ids.length)] : value,
          listener_id: any(2) ? value : String(any(1000)), args: any(2) ? value : [value],
          request_id: value, result: value, next_message_id: value, level: value, tab_id: value,
        } : value);
        // And such as its own script sends: to what listens there, but for buttons and keys, which
        // whatever comes with them cannot make a bad message.
        const listener = listeners[any(listeners.length)];
        window.socket.emit('event', {
          client_id: window.clientId, ...listener, args: [JSON.stringify(value) ?? 'x']
        });
        if (i % 200 == 199) await new Promise(r => setTimeout(r, 30));
      }
    }""")
    with opened(chromium, address) as other:
        expect(named(other, "state")).to_contain_text("paused")
        assert number(other) == before
        named(other, "compare").click()
        expect(named(other, "lamp")).to_contain_text("equal to golden")
        named(other, "step").click()
        expect(named(other, "samples")).to_have_text(f"{int(before) + 1:,}")


def test_a_board_vanishes_and_comes_back(chromium, digits):
    with served(digits, *learner(digits)) as (address, process), opened(chromium, address) as page:
        learn_until(page, 200)
        before = number(page)
        kill_run(process.pid)
        expect(named(page, "state")).to_contain_text("the board is away")
        named(page, "reopen").click()
        expect(named(page, "state")).to_contain_text("paused")
        named(page, "step").click()
        expect(named(page, "samples")).to_have_text(f"{int(before) + 1:,}")
        named(page, "compare").click()
        expect(named(page, "lamp")).to_contain_text("all bits compared at")


@contextmanager
def board_at(port, folder):
    """Keep a virtual board at a serial port; it vanishes with all that it has learned."""
    command = [sys.executable, "-m", "popflip", "serve", "--config", "net.toml", "--link", port]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            while not port.exists():  # it may have to be compiled
                assert process.poll() is None
                time.sleep(0.2)
            yield process
        finally:
            process.kill()
            port.unlink(missing_ok=True)


def test_a_board_at_a_serial_port_vanishes_and_comes_back(chromium, digits, tmp_path):
    """Whoever presses Reconnect too early loses nothing."""
    port = tmp_path / "board"
    words = ("--config", digits / "net.toml", "--data", digits, "--board", port)
    with ExitStack() as stack:
        with board_at(port, digits):
            address, _ = stack.enter_context(served(tmp_path, *words))
            page = stack.enter_context(opened(chromium, address))
            named(page, "step").click()
            expect(named(page, "samples")).to_have_text("1")
            assert number(page, "cycles") > 100
            assert number(page, "clock") == pytest.approx(5e7 / number(page, "cycles"), rel=0.01)
            named(page, "compare").click()
            expect(named(page, "lamp")).to_contain_text("all bits compared at 1")
        named(page, "step").click()  # a board that does nothing is not asked whether it is there
        expect(named(page, "state")).to_contain_text("the board is away: serial port")
        named(page, "reopen").click()
        expect(named(page, "state")).to_contain_text("the board is away: no serial port")
        with board_at(port, digits):
            named(page, "reopen").click()
            expect(named(page, "state")).to_contain_text("paused, epoch 1, sample 1 of 600")
            named(page, "step").click()
            expect(named(page, "samples")).to_have_text("2")
            named(page, "compare").click()
            expect(named(page, "lamp")).to_contain_text("all bits compared at 2")
            page.close()


def kill_run(server):
    """End the process that has the board: the first that the server has spawned."""
    proc = Path("/proc")
    children = (proc / f"{server}/task/{server}/children").read_text().split()
    spawned = [
        int(child) for child in children
        if b"spawn_main" in (proc / child / "cmdline").read_bytes()
    ]  # fmt: skip
    os.kill(min(spawned), signal.SIGKILL)


def test_two_networks_side_by_side(chromium, digits, tmp_path):
    wider = (digits / "net.toml").read_text().replace("[40]", "[50]")
    (digits / "wider.toml").write_text(wider)
    words = learner(digits, "--beside", digits / "wider.toml")
    with served(digits, *words) as (address, _), opened(chromium, address) as page:
        named(page, "epoch").click()
        for exhibit in (0, 1):
            expect(page.get_by_test_id("samples").nth(exhibit)).to_have_text("600")
            expect(page.get_by_test_id("lamp").nth(exhibit)).to_contain_text("equal to golden")
        draw(page, 7)
        expect(page.get_by_test_id("prediction").nth(1)).to_have_text(re.compile(r"wider: \d"))
        choose(page, "which", "wider")
        named(page, "explain-drawing").click()
        expect(named(page, "contrast")).to_contain_text("of 50 hidden neurons")
        for name, neurons in (("net", 40), ("wider", 50)):
            with page.expect_download() as download:
                page.get_by_label(name, exact=True).get_by_test_id("save").click()
            meta, state = read_checkpoint(download.value.path())
            assert state.weights[1].shape[0] == neurons
            assert meta["streamed"]["samples"] == 600
        page.get_by_label("net", exact=True).get_by_test_id("load").click()
        download.value.save_as(tmp_path / "wider.npz")
        page.set_input_files("input[type=file]", tmp_path / "wider.npz")
        refusal = "the file is of another network: its network differs"
        expect(page.get_by_text(refusal)).to_be_visible()
        page.locator("[data-testid=close-upload]:visible").click()
        with page.expect_download() as download:
            named(page, "export").click()
        text = download.value.path().read_text("utf-8")
        assert text.count("600 samples learned") == 2
        page.wait_for_timeout(6000)  # notices are gone
        page.screenshot(path=shots() / "two.png", full_page=True)
        report = Axe().run(page)
        assert report.violations_count == 0, report.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


def test_data_that_nobody_can_draw(chromium, tmp_path):
    """Rows of a table have a browser of samples in place of the pad."""
    rng = np.random.default_rng(5)
    kinds = rng.integers(0, 3, 300)
    lines = [
        f"{2 * k + x:.2f},{y - k:.2f},{'abc'[k]}"
        for k, x, y in zip(kinds, rng.normal(0, 0.3, 300), rng.normal(0, 0.3, 300), strict=True)
    ]
    (tmp_path / "own.csv").write_text("\n".join(["long,wide,kind", *lines]) + "\n")
    net = NETWORK.replace("[14, 14]", "[1, 2]\nthresholds = [31, 63, 95, 127, 159, 191, 223]")
    net = net.replace("98", "14").replace("49", "7").replace("classes = 8", "classes = 3")
    (tmp_path / "own.toml").write_text('name = "my \\"<b>own"\n' + net)
    words = ("--config", tmp_path / "own.toml", "--data", tmp_path / "own.csv", "--label", "kind")
    with (
        served(tmp_path, *words, "--engine", "golden") as (address, _),
        opened(chromium, address) as page,
    ):
        expect(page.get_by_role("heading", name='my "<b>own', exact=True)).to_be_visible()
        expect(named(page, "prediction")).to_have_text("no sample")
        assert page.get_by_test_id("centre").count() == 0
        named(page, "teach").click()
        expect(page.get_by_text("show a sample first")).to_be_visible()
        named(page, "epoch").click()
        expect(named(page, "samples")).not_to_have_text("0")
        expect(named(page, "state")).to_contain_text("paused")
        named(page, "browse").fill("3")
        named(page, "show-sample").click()
        expect(named(page, "prediction")).to_have_text(re.compile(r"^[abc]$"))
        named(page, "teach").click()
        expect(page.get_by_text("taught", exact=True)).to_be_visible()
        named(page, "explain-drawing").click()
        expect(named(page, "facts")).to_contain_text("of 14 bits")


def test_a_recorded_run_plays_without_a_board(chromium, digits):
    words = learner(digits, "--record", digits / "run.jsonl", "--beside", digits / "net.toml")
    with served(digits, *words) as (address, _), opened(chromium, address) as page:
        choose(page, "speed", "100 /s")  # so that there is something to stop when it is played
        learn_until(page, 400)
        page.wait_for_timeout(1500)
        learned, beside = number(page), page.get_by_test_id("samples").nth(1).inner_text()
    with (
        served(digits, "--replay", digits / "run.jsonl") as (address, _),
        opened(chromium, address) as page,
    ):
        expect(named(page, "state")).to_contain_text("stopped")
        named(page, "start").click()
        expect(named(page, "state")).to_contain_text("playing: learning")
        named(page, "pause").click()
        expect(named(page, "state")).to_contain_text("stopped: learning")
        choose(page, "speed", "10 times as fast")
        named(page, "start").click()
        expect(named(page, "samples")).to_have_text(f"{int(learned):,}")
        expect(page.get_by_test_id("samples").nth(1)).to_have_text(beside)
        expect(named(page, "state")).to_contain_text("stopped: ")
        for name in ("teach", "explain", "compare", "epoch", "save", "disturb"):
            assert page.get_by_test_id(name).count() == 0
        expect(named(page, "reopen")).not_to_be_visible()
        report = Axe().run(page)
        assert report.violations_count == 0, report.generate_report()
        expect(named(page, "network").locator("img")).to_be_visible()


def test_a_token_is_wanted_where_others_can_reach_it(chromium, digits):
    with served(digits, *learner(digits, "--host", "0.0.0.0")) as (address, _):
        assert "?token=" in address
        assert "0.0.0.0" not in address
        context = chromium.new_context()
        assert context.request.get(address.split("?")[0]).status == 403
        context.close()
        with opened(chromium, address) as page:
            named(page, "step").click()
            expect(named(page, "samples")).to_have_text("1")


def test_the_file_to_share_is_written_without_a_page(digits):
    words = [*learner(digits), "--export", digits / "page.html", "--learn", "300"]
    subprocess.run(
        [sys.executable, "-m", "popflip", "live", *map(str, words)], check=True, cwd=digits
    )
    assert "300 samples learned" in (digits / "page.html").read_text()
