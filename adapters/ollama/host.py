"""Where the servers are: addresses from the settings, $OLLAMA_HOST or the default, in every form people write.

gpu, gpu:1234, :1234, [::1]:1234, ::1     http, port 11434 where none is given
http://gpu, https://gpu                   port 80 and 443, as the official clients read them
https://gpu/ollama                        with the path of a reverse proxy
http://user:word@gpu:1234                 signed in to a reverse proxy
0.0.0.0, ::                               what servers listen on; a client goes to this machine
gpu1, gpu2:1234                           several servers
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from dataclasses import dataclass, field

from rag_app.errors import SettingsError
from rag_app.settings import Settings
from rag_app.trust import addresses

DEFAULT = "http://127.0.0.1:11434"
_PORT = 11434
_PORTS = {"http": 80, "https": 443}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_AROUND = " \t\r\n\"'"


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address.

    url       scheme, host, port and path, without credentials: "http://127.0.0.1:11434"; fit to be shown
    loopback  it is this machine: no proxy is used and no key is sent
    user      (name, password) for a reverse proxy, from the URL
    key       sent as a bearer token; of $OLLAMA_API_KEY: only for https or another machine
    """

    url: str
    loopback: bool
    user: tuple[str, str] | None = field(default=None, repr=False)
    key: str = field(default="", repr=False)


def find(settings: Settings) -> tuple[Address, ...]:
    """The servers' addresses: settings.ollama.host, else $OLLAMA_HOST, else DEFAULT; each once.

    Raises:
        SettingsError: one cannot be read as an address.
    """
    for source, text in (("ollama.host", settings.ollama.host), ("OLLAMA_HOST", os.environ.get("OLLAMA_HOST", ""))):
        if found := several(text, source=source):
            return found
    return (parse(DEFAULT),)


def several(text: str, *, source: str, port: int = _PORT, key: str | None = None) -> tuple[Address, ...]:
    """The addresses in `text`, between commas, each once; see `parse`."""
    return tuple(dict.fromkeys(parse(part, source=source, port=port, key=key) for part in addresses(text)))


def parse(text: str, *, source: str = "ollama.host", port: int = _PORT, key: str | None = None) -> Address:
    """The address that `text` means; SettingsError names `source` and shows what is expected.

    Args:
        port: where none is given and no scheme.
        key: sent to every server; None: $OLLAMA_API_KEY, never to this machine over http.
    """
    bare = text.strip(_AROUND)
    scheme, found, rest = bare.partition("://")
    if not found:
        scheme, rest = "http", bare
    scheme = scheme.lower()
    if scheme not in _PORTS:
        raise _refused(source, bare, port, f"the scheme {scheme!r} is not http or https")
    if _is_ipv6(rest):
        rest = f"[{rest}]"
    try:
        parts = urllib.parse.urlsplit(f"{scheme}://{rest}")
        host, given = parts.hostname or "127.0.0.1", parts.port
    except ValueError as exc:
        raise _refused(source, bare, port, str(exc)) from exc
    if parts.query or parts.fragment or any(sign.isspace() or sign == "\\" for sign in rest):
        raise _refused(source, bare, port, "it has more than host, port and path")
    if not found and host == "ollama.com":
        scheme, given = "https", given or _PORTS["https"]
    given = given or (_PORTS[scheme] if found else port)
    host = _ANY.get(host, host)
    shown = f"[{host}]" if _is_ipv6(host) else host
    path = parts.path.strip("/")
    loopback = _is_loopback(host)
    user = (
        (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")) if parts.username else None
    )
    if key is None:
        key = "" if loopback and scheme == "http" else os.environ.get("OLLAMA_API_KEY", "").strip()
    return Address(f"{scheme}://{shown}:{given}" + (f"/{path}" if path else ""), loopback, user, "" if user else key)


def _refused(source: str, text: str, port: int, why: str) -> SettingsError:
    shown = text.rpartition("@")[2]  # never a password
    return SettingsError(
        f"{source} is {shown!r}, which is no address of a server ({why}); write it as host:port, for example "
        f"127.0.0.1:{port}, or as a URL."
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
