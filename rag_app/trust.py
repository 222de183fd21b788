"""What a settings.toml may name: this machine and the library's folder; anything else where the user said so outside.

A library may come from a stranger, its settings.toml with it. A server named there would get questions, passages and
the keys in the environment; a Ray cluster could run its own code here.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from pathlib import Path

from rag_app.errors import SettingsError

VARIABLE = "RAG_APP_TRUST"
_ANY = ("", "0.0.0.0", "::")  # what servers listen on; a client goes to this machine
_AROUND = " \t\r\n\"'"


def check(settings_file: Path, *, hosts: dict[str, str], paths: dict[str, str]) -> None:
    """Raises SettingsError when a key leads out of this machine, or a path out of the library, and is not trusted.

    Args:
        hosts: by key, addresses with commas between them; "" names none.
        paths: by key, paths from the folder of `settings_file`.
    """
    trusted = {one.strip() for one in os.environ.get(VARIABLE, "").split(",")}
    for key, text in hosts.items():
        for host in map(host_of, addresses(text)):
            if not is_here(host) and host not in trusted:
                raise SettingsError(
                    f"{settings_file} sends what you ask and the papers to {host} ({key}). If you want that, say so "
                    f"outside of the library, which may be a stranger's: export {VARIABLE}={host}; else remove the key."
                )
    folder = settings_file.parent.resolve()
    for key, text in paths.items():
        if folder not in (folder / Path(text).expanduser()).resolve().parents and text not in trusted:
            raise SettingsError(
                f"{settings_file} has {key} write to {text}, outside of the library. If you want that, say so outside "
                f"of the library, which may be a stranger's: export {VARIABLE}={text}; else remove the key."
            )


def addresses(text: str) -> list[str]:
    """The addresses between commas; one with a comma in its password stays whole."""
    parts: list[str] = []
    for part in text.strip(_AROUND).split(","):
        if parts and "@" in part and "://" not in part and "@" not in parts[-1] and "://" in parts[-1]:
            parts[-1] += f",{part}"
        elif part.strip(_AROUND):
            parts.append(part.strip(_AROUND))
    return parts


def host_of(address: str) -> str:
    """The host in "gpu:1234", "https://user:word@gpu/path" or "::1"; all of it where it cannot be read."""
    rest = address.partition("://")[2] or address
    try:
        if isinstance(ipaddress.ip_address(rest), ipaddress.IPv6Address):
            return rest
    except ValueError:
        pass
    try:
        return urllib.parse.urlsplit(f"http://{rest}").hostname or ""
    except ValueError:
        return address


def is_here(host: str) -> bool:
    """Whether it is this machine."""
    if host in _ANY or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
