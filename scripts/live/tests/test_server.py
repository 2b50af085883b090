"""The server's address, and the browser that shows it."""

import socket
import webbrowser

import pytest

from popflip.golden.support.errors import InputError
from popflip.scripts.live.server import open_browser, open_socket, shown_host
from popflip.scripts.session import Failure


def test_a_port_that_is_taken():
    with open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=r"--http-port 0 takes one that is free$") as refused:
            open_socket("127.0.0.1", port)
    assert str(refused.value).startswith(f"cannot listen at 127.0.0.1, port {port}: Address")


def test_an_address_that_is_none():
    with pytest.raises(
        InputError, match=r"^cannot listen at no\.such\.host\.invalid, port 1: "
    ) as e:
        open_socket("no.such.host.invalid", 1)
    assert "--http-port" not in str(e.value)  # which would not help


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("::1", "[::1]"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "[2001:db8::7]"),
    ],
)
def test_how_a_host_is_named(host, shown):
    assert shown_host(host) == shown


@pytest.mark.parametrize(("host", "inside"), [("0.0.0.0", "."), ("::", ":")])
def test_an_address_of_this_computer_stands_for_all_of_them(host, inside):
    """One can type it into a phone; and it is one that this computer listens at."""
    shown = shown_host(host).strip("[]")
    assert shown != host
    assert inside in shown
    with open_socket(shown, 0) as listener:
        assert listener.getsockname()[0] == shown


def test_without_a_network_there_is_still_this_computer(monkeypatch):
    def fails(self, address):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", fails)
    assert [shown_host("0.0.0.0"), shown_host("::")] == ["127.0.0.1", "[::1]"]


def test_a_free_port_is_found():
    with open_socket("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        assert listener.getsockname()[1]


def test_a_computer_without_a_browser(monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    with pytest.raises(Failure, match=r"^no browser was found: --no-open, and open http://x/ in"):
        open_browser("http://x/")
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    open_browser("http://x/")
    assert opened == ["http://x/"]
