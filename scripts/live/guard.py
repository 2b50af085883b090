"""Who may see the page: this computer, or whoever has the token; and no page of another host."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["LOOPBACK", "Guard", "is_loopback"]

#: Names of this computer.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_COOKIE = "popflip_token"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether an address is of this computer alone."""
    return host in LOOPBACK


class Guard:
    """An application that lets others through to the one inside.

    On the loopback address requests must name it as their host, so that no name that somebody else
    has pointed to it leads here. Elsewhere they must bring the token, once in the address and then
    in a cookie. Wherever a browser says which page a request comes from, it must be ours.

    Parameters
    ----------
    inside : application
        Of ASGI.
    host : str
        The address that is listened at.
    token : str, optional
        Drawn if left out and needed.

    Attributes
    ----------
    token : str or None
    """

    def __init__(self, inside: Any, host: str, token: str | None = None):
        self._inside = inside
        self._local = is_loopback(host)
        self.token = token if self._local else token or secrets.token_urlsafe(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._inside(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await self._refuse(scope, receive, send, refusal)
        elif self.token is not None and scope["type"] == "http" and self._named(scope):
            await self._inside(scope, receive, self._remembering(send))
        else:
            await self._inside(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> str | None:
        """Why somebody may not come in; None if he may."""
        host = headers.get("host", "")
        if self._local and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return "popflip live answers to this computer alone"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "popflip live does not answer to pages of other hosts"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "popflip live does not answer to pages of other hosts"
        if self.token is not None and not (self._named(scope) or self._remembered(headers)):
            return "popflip live wants the token that it has printed: ?token=..."
        return None

    def _is_token(self, text: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(text.encode(), self.token.encode())

    def _named(self, scope: Scope) -> bool:
        """Whether the address holds the token."""
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return any(self._is_token(text) for text in query.get("token", []))

    def _remembered(self, headers: dict[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _remembering(self, send: Send) -> Send:
        """Have the answer set a cookie with the token."""
        cookie = f"{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"

        async def with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
                message = message | {"headers": headers}
            await send(message)

        return with_cookie

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, why: str) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why[:100]})
            return
        kind = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 403, "headers": kind})
        await send({"type": "http.response.body", "body": f"{why}\n".encode()})
