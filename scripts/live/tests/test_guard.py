"""Who may see the page."""

import asyncio

import pytest

from popflip.scripts.live.guard import Guard, is_loopback


def asked(guard, *, kind="http", query=b"", **headers):
    """Return the status that a request gets, and the headers of the answer."""
    inside, sent = [], []

    async def application(scope, receive, send):
        inside.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        else:
            await send({"type": "websocket.accept"})

    async def receive():
        return {}

    async def send(message):
        sent.append(message)

    guard._inside = application
    named = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    scope = {"type": kind, "headers": named, "query_string": query}
    asyncio.run(guard(scope, receive, send))
    first = sent[0]
    status = first.get("status", 200 if first["type"] == "websocket.accept" else 403)
    assert (status == 200) == bool(inside)
    return status, dict(first.get("headers", []))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8200"}, 200),
        ({"host": "localhost:8200"}, 200),
        ({"host": "[::1]:8200"}, 200),
        ({"host": "127.0.0.1:8200", "origin": "http://127.0.0.1:8200"}, 200),
        ({"host": "127.0.0.1:8200", "sec_fetch_site": "same-origin"}, 200),
        ({}, 403),
        ({"host": "evil.example:8200"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "127.0.0.1:8200", "origin": "http://evil.example"}, 403),
        ({"host": "127.0.0.1:8200", "origin": "http://127.0.0.1:9999"}, 403),
        ({"host": "127.0.0.1:8200", "origin": "null"}, 403),
        ({"host": "127.0.0.1:8200", "sec_fetch_site": "cross-site"}, 403),
    ],
)
def test_on_loopback_this_computer_alone_comes_in(kind, headers, status):
    assert asked(Guard(None, "127.0.0.1"), kind=kind, **headers)[0] == status


def test_elsewhere_nobody_comes_in_without_the_token():
    guard = Guard(None, "0.0.0.0")
    token = guard.token
    assert len(token) >= 20
    host = {"host": "192.0.2.1:8200"}
    assert asked(guard, **host)[0] == 403
    assert asked(guard, query=b"token=wrong", **host)[0] == 403
    assert asked(guard, query="token=\u00e9".encode(), **host)[0] == 403
    assert asked(guard, kind="websocket", **host)[0] == 403
    status, headers = asked(guard, query=f"token={token}".encode(), **host)
    assert status == 200
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    named = cookie.split(";")[0]
    assert asked(guard, cookie=named, **host)[0] == 200
    assert asked(guard, kind="websocket", cookie=named, **host)[0] == 200
    assert asked(guard, cookie="popflip_token=x", **host)[0] == 403
    assert asked(guard, cookie=named, origin="http://evil.example", **host)[0] == 403


def test_loopback_wants_no_token():
    assert Guard(None, "localhost").token is None
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
