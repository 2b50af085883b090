"""The server of the page: one address, a guard before it, and an end when somebody asks for it."""

import errno
import logging
import socket
import threading
import time
import webbrowser
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from nicegui import app, ui

from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError, PopflipError
from popflip.scripts.live.exhibition import Exhibition
from popflip.scripts.live.guard import Guard, is_loopback
from popflip.scripts.live.page.page import add_page
from popflip.scripts.session import Failure

__all__ = ["open_browser", "open_socket", "serve_page", "shown_host"]

#: Bytes of a message from a browser, at most: a checkpoint comes by another way.
MOST_MESSAGE = 1 << 18


def open_socket(host: str, port: int) -> socket.socket:
    """Open the address that the page is at.

    Raises
    ------
    InputError
        If there is no such address, or it is taken.
    """
    listener = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, UnicodeError, OverflowError) as error:
        if listener is not None:
            listener.close()
        why = getattr(error, "strerror", None) or str(error)
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        advice = "; --http-port 0 takes one that is free" if taken else ""
        raise InputError(f"cannot listen at {host}, port {port}: {why}{advice}") from None
    return listener


def shown_host(host: str) -> str:
    """Return how others name a host in an address, also one that stands for all addresses."""
    if host == "0.0.0.0":
        host = _own_address(socket.AF_INET, "192.0.2.1", "127.0.0.1")
    elif host == "::":
        host = _own_address(socket.AF_INET6, "2001:db8::1", "::1")
    elif host != "::1" and is_loopback(host):
        host = "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _own_address(family: socket.AddressFamily, somewhere: str, otherwise: str) -> str:
    """Return the address that this computer has on the way to another one; nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((somewhere, 9))
            return str(asked.getsockname()[0])
    except OSError:
        return otherwise


def open_browser(address: str) -> None:
    """Show the page in the user's browser.

    Raises
    ------
    Failure
        If there is none.
    """
    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        raise Failure(f"no browser was found: --no-open, and open {address} in one")


def serve_page(
    exhibition: Exhibition, listener: socket.socket, host: str, ready: Callable[[str], None]
) -> None:
    """Serve the page until Ctrl-C or a request to end.

    Parameters
    ----------
    exhibition : Exhibition
    listener : socket
        Of :func:`open_socket`.
    host : str
        Its address.
    ready : callable
        Gets the page's address, once it can be opened and boards at serial ports answer.

    Raises
    ------
    Failure
        If there is no board, it is of another kind, or the server does not start. The page tells
        of a board that goes away later.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    outside = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_page(exhibition)
    ui.run_with(
        outside, title="popflip live", language="en-US", tailwind=False, show_welcome_message=False,
        reconnect_timeout=10.0, message_history_length=100, binding_refresh_interval=1.0,
    )  # fmt: skip
    guard = Guard(outside, host)
    config = uvicorn.Config(
        guard, log_level="warning", ws_max_size=MOST_MESSAGE, access_log=False, lifespan="on",
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    port = listener.getsockname()[1]
    address = f"http://{shown_host(host)}:{port}/"
    address += f"?token={guard.token}" if guard.token else ""
    problems: list[Exception] = []

    def on_startup() -> None:
        def tell() -> None:
            while not exhibition.answering and not server.should_exit:
                time.sleep(0.05)
            try:
                exhibition.check_opened()
                if not server.should_exit:
                    ready(address)
            except Exception as error:
                problems.append(error)
                server.should_exit = True

        threading.Thread(target=tell, name="ready", daemon=True).start()

    def stop() -> None:
        server.should_exit = True

    def run() -> None:
        try:
            server.run([listener])
        except SystemExit:  # what it knows of the cause it has logged
            problems.append(Failure("the page's server did not start"))

    app.on_startup(on_startup)
    # In a thread, where the server leaves signals alone: the command has its own handling of them.
    with interrupts.noted(stop):
        thread = threading.Thread(target=run, name="server")
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
            if not problems and not server.should_exit:
                try:
                    exhibition.check_opened()
                except PopflipError as error:
                    problems.append(error)
                    stop()
    if problems:
        raise problems[0]
