"""The page as one sees it who has no browser: it answers whatever the board does, and never grows.

``POPFLIP_LIVE_MINUTES`` makes the test of its memory shorter, or longer.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import time
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import pytest

from popflip.scripts.live.tests.conftest import learner, shots
from popflip.scripts.live.visitor import Visitor, served
from popflip.scripts.session import Failure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = 120.0

#: Minutes of the test of memory, and how much of the beginning does not count: curves fill up, and
#: Python and the browser keep what they have had once.
MINUTES = float(os.environ.get("POPFLIP_LIVE_MINUTES", "10"))
WARM = 0.4

#: MB that memory may grow by in an hour, as the slope of what was seen has it.
SERVER_MB, PAGE_MB = 60.0, 30.0


def renderers():
    """The processes of the browser that have the pages: scripts, pictures and all."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "--type=renderer" in child.cmdline()]


@pytest.fixture(scope="module")
def page_of(digits):
    with served(digits, *learner(digits)) as (address, process):
        yield address, psutil.Process(process.pid)


def boards(server):
    """The processes that learn: those that the server has spawned."""
    return [child for child in server.children() if "spawn_main" in " ".join(child.cmdline())]


def test_it_answers_while_the_board_does_nothing_at_all(page_of):
    """Whatever the board is busy with: its process is stopped, so no answer of it can come."""
    address, server = page_of

    async def look():
        async with Visitor(address) as visitor:
            await visitor.press("start")
            await visitor.until(lambda: int(visitor.text("samples").replace(",", "")) > 50)
            stopped = boards(server)
            assert len(stopped) == 2, "the board, and golden"
            for process in stopped:
                process.send_signal(signal.SIGSTOP)
            try:
                for name in ("step", "test", "compare", "upset", "disturb", "calm", "pause"):
                    await visitor.press(name)
                    await visitor.answered()
                await visitor.press("explain")  # of the last network that is here
                await visitor.until(lambda: "free phase" in visitor.text("phase"))
                await visitor.opened()
                async with Visitor(address) as other:
                    await other.answered()
            finally:
                for process in stopped:
                    process.send_signal(signal.SIGCONT)
            await visitor.until(lambda: "paused" in visitor.text("state"))
            await visitor.press("compare")
            await visitor.until(lambda: "all bits compared at" in visitor.text("lamp"))
            assert "equal to golden" in visitor.text("lamp")

    asyncio.run(asyncio.wait_for(look(), 300))


def test_one_who_leaves_in_the_midst_of_a_request_stops_nothing_for_others(page_of):
    """Requests that nobody waits for any more come to their ends."""
    address, server = page_of

    async def look():
        async with Visitor(address) as stays:
            stopped = boards(server)
            for process in stopped:
                process.send_signal(signal.SIGSTOP)
            try:
                async with Visitor(address) as leaves:
                    for name in ("show-sample", "compare", "save", "test"):
                        await leaves.press(name)
                    await leaves.answered()
                await asyncio.sleep(15)  # the server has forgotten it
                await stays.answered()
            finally:
                for process in stopped:
                    process.send_signal(signal.SIGCONT)
            before = int(stays.text("samples").replace(",", ""))
            await stays.press("step")
            await stays.until(lambda: stays.text("samples") == f"{before + 1:,}")
            await stays.press("compare")
            compared = f"all bits compared at {before + 1:,}"
            await stays.until(lambda: compared in stays.text("lamp"))

    asyncio.run(asyncio.wait_for(look(), 300))
    assert "Traceback" not in (page_of_log(server)).read_text()


def page_of_log(server):
    """The file of what the server has said."""
    return Path(server.cwd()) / "live.log"


def test_pages_of_other_hosts_and_files_of_this_one_are_refused(page_of):
    address, _ = page_of
    host = address.split("/")[2]

    async def look():
        async with aiohttp.ClientSession() as session:
            path = f"http://{host}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
                headers = {"Origin": origin}
                async with session.get(address, headers=headers) as answer:
                    assert answer.status == 403
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await session.ws_connect(path, headers=headers)
            async with session.get(address, headers={"Host": "evil.example"}) as answer:
                assert answer.status == 403
            async with session.get(address) as answer:
                return re.search(r"/_nicegui/([\w.]+)/static/", await answer.text())[1]

    version = asyncio.run(asyncio.wait_for(look(), 100))
    up = ("../" * 12, "%2e%2e/" * 12, "..%2f" * 12, "%2e%2e%2f" * 12, "/", "%2f")
    places = ("", "static", f"_nicegui/{version}/static", f"_nicegui/{version}/components",
              f"_nicegui/{version}/libraries", f"_nicegui/{version}/resources",
              f"_nicegui/{version}/dynamic_resources", f"_nicegui/{version}/esm/nicegui-echart",
              "_nicegui/auto/static", "_nicegui/client")  # fmt: skip
    for place in places:
        for way in up:
            connection = http.client.HTTPConnection(host)  # which leaves paths as they are
            connection.request("GET", f"/{place}/{way}etc/passwd")
            answer = connection.getresponse()
            assert answer.status in (400, 403, 404, 405), (place, way)
            assert b"root:" not in answer.read()
            connection.close()


def test_one_who_is_slow_gets_fewer_updates_and_nothing_piles_up(page_of):
    """A client that answers nothing gets one update, and then none until it answers."""
    address, _ = page_of

    async def look():
        async with Visitor(address) as quick, Visitor(address) as slow:
            slow.answers = False
            await quick.press("start")
            before = quick.updates, slow.updates
            while quick.updates < before[0] + 10:
                await quick.until(lambda seen=quick.updates: quick.updates > seen)
            assert slow.updates <= before[1] + 2
            await quick.press("pause")
            await quick.until(lambda: "paused" in quick.text("state"))

    asyncio.run(asyncio.wait_for(look(), 300))


def test_a_page_that_goes_away_is_noticed(digits):
    async def look():
        with served(digits, *learner(digits)) as (address, process):
            async with Visitor(address) as visitor:
                with pytest.raises(KeyError, match="the page has no nothing"):
                    await visitor.press("nothing")
                process.kill()
                with pytest.raises(Failure, match=r"^the page is gone$"):
                    await visitor.until(lambda: False)

    with pytest.raises(Failure, match=r"^popflip live failed: "):
        asyncio.run(asyncio.wait_for(look(), 300))


def slope(seen):
    """MB an hour, of (seconds, bytes) after the beginning: a line of least squares."""
    at, size = np.array(seen).T
    later = at >= WARM * at[-1]
    return 3600 * np.polyfit(at[later], size[later] / 1e6, 1)[0]


def test_the_slope_of_something_that_grows_is_found():
    assert slope([(s, 1e8) for s in range(60)]) == pytest.approx(0, abs=1e-6)
    assert slope([(s, 1e8 + 5e4 * s) for s in range(60)]) == pytest.approx(180)


@pytest.mark.browser
@pytest.mark.timeout(60 * MINUTES + 600)
def test_memory_of_page_and_server_stays_as_it_is(digits, chromium):
    """While it learns without a pause, and two pages of a browser look.

    What counts of a page is its script's heap: a browser keeps pictures as it likes, so that all
    the memory of its processes is only written down.
    """
    seen = {"server": [], "page": [], "boards": [], "browser": []}
    with served(digits, *learner(digits)) as (address, process):
        server = psutil.Process(process.pid)
        context = chromium.new_context()
        page = context.new_page()
        page.goto(address)
        context.new_page().goto(address)
        page.get_by_test_id("start").click()
        page.get_by_test_id("explain").click()
        devtools = context.new_cdp_session(page)
        devtools.send("HeapProfiler.enable")
        began = time.monotonic()
        while (at := time.monotonic() - began) < 60 * MINUTES:
            seen["server"].append((at, server.memory_info().rss))
            learning = sum(child.memory_info().rss for child in boards(server))
            seen["boards"].append((at, learning))
            browser = sum(child.memory_info().rss for child in renderers())
            seen["browser"].append((at, browser))
            devtools.send("HeapProfiler.collectGarbage")
            heap = devtools.send("Runtime.getHeapUsage")
            seen["page"].append((at, heap["usedSize"]))
            page.wait_for_timeout(2000)
        learned = page.get_by_test_id("samples").first.inner_text()
        context.close()
    slopes = {name: slope(values) for name, values in seen.items()}
    (shots() / "memory.json").write_text(json.dumps(seen))
    last = {name: f"{values[-1][1] / 1e6:.0f} MB" for name, values in seen.items()}
    print(f"{learned} samples in {at:.0f} s; MB an hour: {slopes}; at the end {last}")
    assert slopes["server"] <= SERVER_MB
    assert slopes["boards"] <= SERVER_MB
    assert slopes["page"] <= PAGE_MB
