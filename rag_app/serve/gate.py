"""Who may talk to the web page: whoever holds the address that `rag-app serve` printed. Checked before all else.

host    a name of this machine itself, so that no foreign name can be pointed at it (DNS rebinding)
token   in the printed address; it is changed into a cookie that no script can read, and leaves the address
cookie  on every other request
origin  on every POST: the page itself and no other. Each POST carries a token of its form too: see rag_app.serve.forms
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})
TOKEN = "token"  # its name in the address
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send "Origin: null" with a form
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of one run: of its address, its cookie, its forms. port: tells its cookie from others'."""

    port: int
    token: str = field(default_factory=_secret)
    cookie: str = field(default_factory=_secret)
    form: str = field(default_factory=_secret)

    @property
    def cookie_name(self) -> str:
        return f"rag_app_{self.port}"  # cookies are kept for a host, whatever its port


class Gate:
    """The ASGI application `app` behind these checks; every response carries the headers that keep others out."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        turned_away = self._turned_away(scope, Headers(scope=scope))
        await (turned_away or self._app)(scope, receive, guarded)

    def _turned_away(self, scope: Scope, headers: Headers) -> Response | None:
        """What is answered instead of the page; None where the request may go on."""
        host = headers.get("host", "")
        if host.partition(":")[0].lower() not in HOSTS:
            return _refused("This address is not one of this machine. Open the one that rag-app serve printed.", 421)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == TOKEN]
        if tokens and scope["method"] in ("GET", "HEAD"):
            if not same(tokens[0], self._keys.token):
                return _refused("That is not this run's token. Open the address that rag-app serve printed.", 403)
            return self._let_in(scope, [(name, value) for name, value in query if name != TOKEN])
        if not same(_cookie(headers, self._keys.cookie_name), self._keys.cookie):
            return _refused("This page is for whoever started it. Open the address that rag-app serve printed.", 403)
        if scope["method"] not in ("GET", "HEAD") and headers.get("origin") != f"http://{host}":
            return _refused("This came from another page, so nothing was done.", 403)
        return None

    def _let_in(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """The cookie, and on to the same page without the token in its address."""
        path = f"/{scope['path'].lstrip('/')}"  # "//host" would lead elsewhere
        response = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, status_code=303)
        response.set_cookie(self._keys.cookie_name, self._keys.cookie, httponly=True, samesite="strict", path="/")
        return response


def same(given: str, secret: str) -> bool:
    """Whether they are equal, in a time that does not tell how far they agree."""
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _refused(sentence: str, status: int) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=status)
