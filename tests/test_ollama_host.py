"""Addresses of Ollama servers in every form people write, and what is sent to which of them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ollama._client import _parse_host

from adapters.ollama import host
from rag_app.errors import SettingsError
from rag_app.settings import Ollama, Settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("gpu", "http://gpu:11434"),
        ("gpu:1234", "http://gpu:1234"),
        (":1234", "http://127.0.0.1:1234"),
        (" 'gpu' ", "http://gpu:11434"),
        ("http://gpu", "http://gpu:80"),
        ("https://gpu", "https://gpu:443"),
        ("HTTPS://GPU/", "https://gpu:443"),
        ("https://gpu:9/a/b/", "https://gpu:9/a/b"),
        ("gpu/ollama", "http://gpu:11434/ollama"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:5", "http://127.0.0.1:5"),
        ("::", "http://[::1]:11434"),
        ("[::]:5", "http://[::1]:5"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:7", "http://[::1]:7"),
        ("http://user:pa%20ss@gpu:5", "http://gpu:5"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_forms(text: str, url: str) -> None:
    assert host.parse(text).url == url


@pytest.mark.parametrize(
    "text", ["ftp://gpu", "gpu:port", "gpu:99999", "gpu?x=1", "http://[::1", "two words", "unix:///x.sock", "a\\b"]
)
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="host:port"):
        host.parse(text)


def test_a_password_is_used_and_never_shown() -> None:
    found = host.parse("http://me:pa%20ss@gpu:5")
    assert found.user == ("me", "pa ss")
    assert "pa" not in repr(found).replace("Address", "")
    with pytest.raises(SettingsError) as caught:
        host.parse("http://me:secret@gpu:port")
    assert "secret" not in str(caught.value)


HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)


@given(
    st.sampled_from(["", "http://", "https://"]),
    HOSTS,
    st.one_of(st.none(), st.integers(1, 65535)),
    st.sampled_from(["", "/", "/a", "/a/b/"]),
)
def test_as_the_official_client_reads_it(scheme: str, name: str, port: int | None, path: str) -> None:
    text = scheme + name + (f":{port}" if port else "") + path
    bare = name.strip("[]")
    try:
        if ipaddress.ip_address(bare) in (ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::")):
            return
    except ValueError:
        pass
    assert host.parse(text).url == _parse_host(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_one_sentence(text: str) -> None:
    try:
        found = host.parse(text)
    except SettingsError:
        return
    assert found.url.startswith(("http://", "https://"))
    assert host.parse(found.url).url == found.url


def test_which_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.find(Settings())[0].url == "http://127.0.0.1:11434"
    monkeypatch.setenv("OLLAMA_HOST", "other:1")
    assert host.find(Settings())[0].url == "http://other:1"
    assert host.find(Settings(ollama=Ollama(host="mine:2")))[0].url == "http://mine:2"
    monkeypatch.setenv("OLLAMA_HOST", "gpu:port")
    with pytest.raises(SettingsError, match="OLLAMA_HOST"):
        host.find(Settings())


@pytest.mark.parametrize(
    ("text", "loopback", "key"),
    [
        ("127.0.0.1", True, ""),
        ("localhost:1", True, ""),
        ("0.0.0.0", True, ""),
        ("127.9.9.9", True, ""),
        ("[::1]", True, ""),
        ("gpu:1", False, "secret"),
        ("https://gpu", False, "secret"),
        ("https://localhost", True, "secret"),
        ("http://me:word@gpu", False, ""),
    ],
)
def test_who_gets_the_key(text: str, loopback: bool, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    found = host.parse(text)
    assert (found.loopback, found.key) == (loopback, key)
    assert "secret" not in repr(found)
