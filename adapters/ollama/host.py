"""Where the server is: an address from the settings, $OLLAMA_HOST or the default, in every form people write.

gpu, gpu:1234, :1234, [::1]:1234, ::1     http, port 11434 where none is given
http://gpu, https://gpu                   port 80 and 443, as the official clients read them
https://gpu/ollama                        with the path of a reverse proxy
http://user:word@gpu:1234                 signed in to a reverse proxy
0.0.0.0, ::                               what servers listen on; a client goes to this machine
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from dataclasses import dataclass, field

from rag_app.errors import SettingsError
from rag_app.settings import Settings

DEFAULT = "http://127.0.0.1:11434"
_PORT = 11434
_PORTS = {"http": 80, "https": 443}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address.

    url       scheme, host, port and path, without credentials: "http://127.0.0.1:11434"; fit to be shown
    loopback  it is this machine: no proxy is used and no key is sent
    user      (name, password) for a reverse proxy, from the URL
    key       of $OLLAMA_API_KEY: only for https or another machine
    """

    url: str
    loopback: bool
    user: tuple[str, str] | None = field(default=None, repr=False)
    key: str = field(default="", repr=False)


def find(settings: Settings) -> Address:
    """The server's address: settings.ollama.host, else $OLLAMA_HOST, else DEFAULT.

    Raises:
        SettingsError: it cannot be read as an address.
    """
    for source, text in (("ollama.host", settings.ollama.host), ("OLLAMA_HOST", os.environ.get("OLLAMA_HOST", ""))):
        if text.strip(" \t\r\n\"'"):
            return parse(text, source=source)
    return parse(DEFAULT)


def parse(text: str, *, source: str = "ollama.host") -> Address:
    """The address that `text` means; SettingsError names `source` and shows what is expected."""
    bare = text.strip(" \t\r\n\"'")
    scheme, found, rest = bare.partition("://")
    if not found:
        scheme, rest = "http", bare
    scheme = scheme.lower()
    if scheme not in _PORTS:
        raise _refused(source, bare, f"the scheme {scheme!r} is not http or https")
    if _is_ipv6(rest):
        rest = f"[{rest}]"
    try:
        parts = urllib.parse.urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError as exc:
        raise _refused(source, bare, str(exc)) from exc
    if parts.query or parts.fragment or any(sign.isspace() or sign == "\\" for sign in rest):
        raise _refused(source, bare, "it has more than host, port and path")
    if not found and host == "ollama.com":
        scheme, port = "https", port or _PORTS["https"]
    port = port or (_PORTS[scheme] if found else _PORT)
    host = _ANY.get(host, host)
    shown = f"[{host}]" if _is_ipv6(host) else host
    path = parts.path.strip("/")
    loopback = _is_loopback(host)
    user = (
        (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")) if parts.username else None
    )
    key = "" if user or (loopback and scheme == "http") else os.environ.get("OLLAMA_API_KEY", "").strip()
    return Address(f"{scheme}://{shown}:{port}" + (f"/{path}" if path else ""), loopback, user, key)


def _refused(source: str, text: str, why: str) -> SettingsError:
    shown = text.rpartition("@")[2]  # never a password
    return SettingsError(
        f"{source} is {shown!r}, which is no address of a server ({why}); write it as host:port, for example "
        f"127.0.0.1:{_PORT}, or as a URL."
    )


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
