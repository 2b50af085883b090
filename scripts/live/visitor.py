"""One who looks at the page without a browser, for measurements: takes in all, and draws nothing.

It speaks as NiceGUI's own script does in a browser: it takes in elements and their updates, answers
what it is asked, and presses buttons.
"""

import ast
import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from popflip.scripts.session import Failure

__all__ = ["Visitor", "served"]

_ELEMENTS = re.compile(r"parseElements\(String\.raw`(.*?)`\)", re.DOTALL)
_QUERY = re.compile(r"^\s*query: (\{.*\}),$", re.MULTILINE)

#: What the page writes otherwise within its script.
_ESCAPED = {"&#36;": "$", "&#96;": "`", "&gt;": ">", "&lt;": "<", "&amp;": "&"}

#: Seconds that an answer may take: a visit ends if something hangs.
PATIENCE_S = 60.0

#: Seconds that a page's process has to end.
END_S = 60.0


@contextmanager
def served(folder: Path, *words: object) -> Iterator[tuple[str, subprocess.Popen]]:
    """Have ``popflip live`` serve a page for the length of a ``with`` block.

    Parameters
    ----------
    folder : Path
        Where it runs, and where ``live.log`` takes what it says.
    words : sequence
        Options.

    Yields
    ------
    address : str
    process : Popen

    Raises
    ------
    Failure
        If there is no page, or it does not end as it should.
    """
    command = [sys.executable, "-m", "popflip", "live", "--no-open", "--json", "--http-port", "0"]
    log = folder / "live.log"
    with open(log, "w") as said:
        process = subprocess.Popen(
            [*command, *map(str, words)], cwd=folder, stdout=subprocess.PIPE, stderr=said, text=True
        )
        assert process.stdout is not None
        try:
            told = ""
            for line in process.stdout:
                told += line
                if line.startswith("}"):
                    break
            if told:
                yield json.loads(told)["address"], process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                process.stdout.close()
    if process.returncode or not told:
        raise Failure(f"popflip live failed: {log.read_text()}")


class Visitor:
    """A visit to a page; use it as an asynchronous context manager.

    Parameters
    ----------
    address : str
        As ``popflip live`` prints it.

    Attributes
    ----------
    updates : int
        Messages with updates that came.
    answers : bool
        Whether it answers the page, which says that it has taken in an update.
    """

    def __init__(self, address: str):
        self._address = address
        self._elements: dict[str, dict] = {}
        self._query: dict[str, Any] = {}
        self._changed = asyncio.Condition()
        self._next_message = 0
        self._begun = self._gone = False
        self.updates, self.answers = 0, True

    async def __aenter__(self):
        # As browsers do, with a connection of its own for what follows: one that a request came by
        # has the server's timer of idle connections, which would end it five seconds later.
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(connector=connector)
        async with self._session.get(self._address) as response:
            response.raise_for_status()
            text = await response.text()
        written = _ELEMENTS.search(text)
        query = _QUERY.search(text)
        if written is None or query is None:
            raise RuntimeError(f"{self._address} is no page of popflip live")
        elements = written[1]
        for escaped, plain in _ESCAPED.items():
            elements = elements.replace(escaped, plain)
        self._elements, self._query = json.loads(elements), ast.literal_eval(query[1])
        self._next_message = int(self._query["next_message_id"])
        self._socket = socketio.AsyncClient(http_session=self._session)
        for kind in ("update", "run_javascript", "notify", "download", "load_js_components"):
            self._socket.on(kind, getattr(self, f"_on_{kind}", self._on_message))
        self._socket.on("disconnect", self._on_disconnect)
        # The address of the page, with its token if it has one.
        host, _, token = self._address.partition("/?")
        words = self._query | {"document_id": str(uuid.uuid4()), "tab_id": str(uuid.uuid4())}
        words["implicit_handshake"] = str(words["implicit_handshake"]).lower()
        pairs = "&".join(f"{name}={value}" for name, value in words.items())
        await self._socket.connect(
            f"{host.rstrip('/')}/?{pairs}&{token}", transports=["websocket"],
            socketio_path="/_nicegui_ws/socket.io",
        )  # fmt: skip
        # Before its first update a page may not take in what is asked.
        await self.until(lambda: self._begun)
        return self

    async def __aexit__(self, *exc_info):
        self._gone = True  # and answers no more
        await self._socket.disconnect()
        await self._session.close()

    # What comes -----------------------------------------------------------------------------

    async def _on_message(self, message: dict) -> None:
        self._next_message = max(self._next_message, message.get("_id", -1) + 1)

    async def _on_disconnect(self, *_) -> None:
        async with self._changed:
            self._gone = True
            self._changed.notify_all()

    async def _on_update(self, message: dict) -> None:
        await self._on_message(message)
        self.updates += 1
        message.pop("_id", None)
        async with self._changed:
            for number, element in message.items():
                if element is None:
                    self._elements.pop(number, None)
                else:
                    self._elements[number] = element
            self._changed.notify_all()

    async def _on_run_javascript(self, message: dict) -> None:
        """Answer as a browser would that has taken in everything before; and say how far it is."""
        await self._on_message(message)
        if message.get("request_id") and self.answers:
            result = False if "matchMedia" in message["code"] else 1
            answer = {"request_id": message["request_id"], "result": result}
            await self._send("javascript_response", answer)
            await self._send("ack", {"next_message_id": self._next_message})
            async with self._changed:
                self._begun = self._begun or message["code"] == "1"
                self._changed.notify_all()

    async def _send(self, kind: str, message: dict) -> None:
        if not self._gone:
            await self._socket.emit(kind, message | {"client_id": self._query["client_id"]})

    # What is there, and what is asked --------------------------------------------------------

    def _find(self, name: str) -> tuple[str, dict]:
        for number, element in self._elements.items():
            if element.get("props", {}).get("data-testid") == name:
                return number, element
        raise KeyError(f"the page has no {name}")

    def text(self, name: str) -> str:
        """Return the text of an element that tests find by its name."""
        return str(self._find(name)[1].get("text"))

    async def press(self, name: str) -> None:
        """Press a button."""
        number, element = self._find(name)
        for event in element.get("events", []):
            if event["type"] == "click":
                told = {"id": int(number), "listener_id": event["listener_id"], "args": ["{}"]}
                await self._send("event", told)
                return
        raise KeyError(f"nobody can press {name}")

    async def until(self, there: Callable[[], bool], timeout: float = PATIENCE_S) -> None:
        """Wait until something is so; it is asked after each update.

        Raises
        ------
        Failure
            If the page is gone, or it is not in so many seconds.
        """
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self._gone or there())
        except TimeoutError:
            raise Failure(f"the page did not come to it within {timeout:g} s") from None
        if self._gone:
            raise Failure("the page is gone")

    async def answered(self) -> float:
        """Turn dark to light or back, and return how many seconds the page's answer took."""
        dark = next(
            number
            for number, element in self._elements.items()
            if "dark_mode" in str(element.get("tag"))
        )
        before, began = self._elements[dark]["props"].get("value"), time.perf_counter()
        await self.press("dark")
        await self.until(lambda: self._elements[dark]["props"].get("value") != before)
        return time.perf_counter() - began

    async def opened(self) -> float:
        """Ask for the page once more, and return how many seconds it took to come."""
        began = time.perf_counter()
        async with self._session.get(self._address) as response:
            await response.read()
        return time.perf_counter() - began
