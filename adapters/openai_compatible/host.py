"""Where the servers are: `openai.hosts` in settings.toml, in the forms of adapters.ollama.host.

gpu:8000, http://gpu:8000      /v1 is added where no path is given
https://lab.example/models/v1  with the path as it is
"""

from __future__ import annotations

import os
from dataclasses import replace
from urllib.parse import urlsplit

from adapters.ollama.host import Address, several
from rag_app.errors import SettingsError
from rag_app.settings import Settings

KEY = "RAG_APP_OPENAI_API_KEY"  # its own: $OPENAI_API_KEY is for OpenAI, and no business of a server of one's own
_PORT = 8000  # of vLLM


def find(settings: Settings) -> tuple[Address, ...]:
    """The servers' addresses, with the key of $RAG_APP_OPENAI_API_KEY.

    Raises:
        SettingsError: there is none, or one cannot be read as an address.
    """
    key = os.environ.get(KEY, "").strip()
    found = several(settings.openai.hosts, source="openai.hosts", port=_PORT, key=key)
    if not found:
        raise SettingsError(
            "openai.hosts is empty, and models of openai: need it; say in settings.toml where their server listens: "
            '[openai] hosts = "127.0.0.1:8000".'
        )
    return tuple(one if urlsplit(one.url).path else replace(one, url=f"{one.url}/v1") for one in found)
