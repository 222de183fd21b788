"""Requests of any kind to the running page: no error of the program's own, no markup let through, and the gate holds.

The page has no OpenAPI description, so hypothesis fills in the application's own table of routes: what its handlers
read are forms, uploads, cookies and addresses that are typed, of which a schema written for the test alone would say
no more than these strategies do.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import Route

from rag_app import Library
from rag_app.serve.app import ROUTES
from tests.fuzz import examples
from tests.fuzz.making import texts, whole_characters
from tests.serving import BOUNDARY, FORM, Reply, Served

GETS = sorted({route.path for route in ROUTES if isinstance(route, Route) and "GET" in (route.methods or ())})
POSTS = sorted({route.path for route in ROUTES if isinstance(route, Route) and "POST" in (route.methods or ())})
QUESTION = "Which initial value does CLIP give to the temperature?"
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_MOST_FIELDS = 4

short = texts(whole_characters, most=3)
numbers = st.sampled_from(["0", "1", "2", "-1", "007", "1.5", "1e3", "٣", "²", "9" * 25, "9" * 5000, "", " 1", "0x1"])
fields = st.sampled_from(
    "question kind paper language back q in sheet turn node name other role form_token page file picture sharp".split()
)
answers = st.one_of(
    short,
    numbers,
    st.sampled_from(
        ["fa", "en", "xx", "table", "builtin", "ollama:x", "hf:x+y", "openai:x", "answer", "vision", QUESTION]
    ),
    st.sampled_from(
        ["/", "//evil.example", "/\\evil.example", "http://evil.example", "/papers?x=1", "/figures?a=\r\nb"]
    ),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Accept": st.sampled_from(["*/*", "text/html", "application/json", "application/x-ndjson", "é", ","]),
        "Accept-Language": st.sampled_from(["fa", "fa-IR,en;q=0.5", "*", ";;q=x"]),
        "X-Part": st.sampled_from(["sheet", "x", "<b>"]),
        "Range": st.sampled_from(["bytes=0-3", "bytes=-1", "bytes=9-1", "x"]),
        "If-None-Match": st.just("*"),
    },
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sample_library: Path) -> Iterator[Served]:
    library = Path(shutil.copytree(sample_library, tmp_path_factory.mktemp("web") / "library"))
    with Served(library) as running:
        running.post("/ask", ("question", QUESTION))
        yield running
        code, said = running.end()
    assert code == 0 and "Traceback" not in said and "defect" not in said, said[-3000:]


@pytest.fixture(scope="module")
def known(served: Served) -> dict[str, list[str]]:
    """What stands in the addresses of the page: digests of papers, ids of nodes, names of crops."""
    with Library.open(served.library, create=False, read_only=True) as library:
        papers = [one.document_id for one in library.documents()]
        nodes = [figure.node_id for figure in library.figures(count=3).shown]
    crops = sorted(one.name for one in (served.library / "crops").iterdir())[:3]
    return {
        "paper": papers,
        "node": nodes,
        "name": crops,
        "file": ["conversation.md", "conversation.html"],
        "page": ["1"],
    }


class _Page(HTMLParser):
    """Fails on a page with a script or a handler that is not the program's."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag != "script" or found == {"src": "/static/app.js", "defer": None}, found
        assert not any(name.startswith("on") for name in found), found
        assert tag not in {"object", "embed", "base"}
        assert found.get("http-equiv") in (None, "Content-Security-Policy")
        for name in ("href", "src", "action"):
            assert not re.match(r"\s*(javascript|vbscript|https?):|//", found.get(name) or "", re.IGNORECASE), found


def sound(reply: Reply, address: str) -> None:
    """No failure of the program itself, and nothing of a stranger's is more than words."""
    assert reply.status < 500 or reply.status == 503, reply.text[:500]
    assert b"Traceback" not in reply.body and b"defect" not in reply.body
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    place = reply.headers.get("location", "/").removeprefix(address)
    assert re.match(r"/(?![/\\])", place), place
    kind = reply.headers.get("content-type", "") if reply.body else ""  # HEAD brings none
    if kind.startswith("text/html"):
        page = _Page()
        page.feed(reply.text)
        page.close()
    elif kind.startswith("application/json"):
        json.loads(reply.text)
    elif kind.startswith("application/x-ndjson"):
        for line in reply.text.splitlines():
            assert json.loads(line)


def filled(data: st.DataObject, route: str, known: dict[str, list[str]], *, real: bool = True) -> str:
    """The route's address with something in the place of its parameters."""

    def parameter(match: re.Match[str]) -> str:
        name = match[1]
        there = known.get(name, []) if real else []
        odd = st.one_of(numbers, short, st.sampled_from(["..", ".", "%2e%2e", "%00", "*", "ab" * 32]))
        chosen = data.draw(st.one_of(st.sampled_from(there), odd) if there else odd)
        return quote(chosen, safe="%" if data.draw(st.booleans()) else "")

    return _PARAMETER.sub(parameter, route)


@examples(120)
@given(data=st.data(), route=st.sampled_from([*GETS, "/nothing", "/static/x", "/%2e%2e/x"]), sent=headers)
def test_pages(
    served: Served, known: dict[str, list[str]], data: st.DataObject, route: str, sent: dict[str, str]
) -> None:
    path = filled(data, route, known)
    asked = data.draw(st.lists(st.tuples(fields, answers), max_size=_MOST_FIELDS))
    if asked:
        raw = data.draw(st.booleans())
        path += "?" + ("&".join(f"{k}={quote(v)}" for k, v in asked) if raw else urlencode(asked))
    if len(path) > 60_000:
        return
    method = data.draw(st.sampled_from(["GET", "GET", "GET", "HEAD"]))
    sound(
        served.request(method, path, headers={k: v.encode().decode("latin-1") for k, v in sent.items()}), served.address
    )


def form(data: st.DataObject, token: str) -> tuple[bytes, str]:
    """A form, its kind; mostly with the token of this run, so that what is behind it is reached."""
    asked = data.draw(st.lists(st.tuples(fields, answers), max_size=_MOST_FIELDS))
    if data.draw(st.integers(0, 9)):
        asked = [("form_token", token), *(pair for pair in asked if pair[0] != "form_token")]
    kind = data.draw(st.sampled_from(["plain", "plain", "parts", "raw"]))
    if kind == "plain":
        return urlencode(asked).encode(), FORM
    if kind == "raw":
        sent = st.sampled_from(
            [FORM, "multipart/form-data", f"multipart/form-data; boundary={BOUNDARY}", "application/json"]
        )
        return f"form_token={token}&".encode() + data.draw(st.binary(max_size=200)), data.draw(sent)
    parts = []
    for name, value in asked:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        content = value.encode()
        if data.draw(st.integers(0, 2)) == 0 and name != "form_token":
            named = data.draw(
                st.sampled_from(["a.pdf", "../../a.png", "a", "", "\x00.pdf", "\u202efdp.exe", "x" * 300 + ".png"])
            )
            head += f'; filename="{named}"'
            content = data.draw(st.one_of(st.binary(max_size=60), st.just(b"\x89PNG\r\n\x1a\n"), st.just(content)))
        parts.append(f"{head}\r\n\r\n".encode() + content + b"\r\n")
    end = data.draw(st.sampled_from([f"--{BOUNDARY}--\r\n", f"--{BOUNDARY}", ""])).encode()
    return b"".join([*parts, end]), f"multipart/form-data; boundary={BOUNDARY}"


@examples(90)
@given(data=st.data(), route=st.sampled_from(POSTS), sent=headers)
def test_forms(
    served: Served, known: dict[str, list[str]], data: st.DataObject, route: str, sent: dict[str, str]
) -> None:
    path = filled(data, route, known, real="remove" not in route)
    body, kind = form(data, served.form_token)
    named = {k: v.encode().decode("latin-1") for k, v in sent.items()}
    sound(served.request("POST", path, body=body, headers={"Content-Type": kind, **named}), served.address)
    assert served.get("/").status == 200


@examples(80)
@given(data=st.data(), route=st.sampled_from([*GETS, *POSTS]), wrong=st.sampled_from(["cookie", "host", "origin"]))
def test_the_gate_holds(
    served: Served, known: dict[str, list[str]], data: st.DataObject, route: str, wrong: str
) -> None:
    """Whatever the address and the form: without the cookie, by another name or from another page nothing is done."""
    path = filled(data, route, known)
    method = "POST" if route in POSTS and (route not in GETS or wrong == "origin") else "GET"
    if wrong == "origin" and method == "GET":
        return
    body, kind = form(data, served.form_token) if method == "POST" else (b"", "")
    odd = data.draw(st.one_of(short, st.sampled_from(["null", "http://evil.example", f"x{served.host}", "a=b; c"])))
    odd = re.sub(r"[\x00-\x1f\x7f]", "", odd).encode().decode("latin-1")[:2000]
    changed: dict[str, str | None] = {"Content-Type": kind or None}
    if wrong == "cookie":
        changed["Cookie"] = odd
    elif wrong == "host":
        changed["Host"] = odd.replace("127.0.0.1", "").replace("localhost", "") or "x"
    else:
        changed["Origin"] = odd
    reply = served.request(method, path, body=body, headers=changed)
    assert reply.status in (400, 403, 421), reply.status
    assert b"<html" not in reply.body


@examples(60)
@given(
    start=st.sampled_from(
        [b"GET / HTTP/1.1", b"GET  /", b"POST /ask HTTP/9.9", b"\x16\x03\x01", b"GET /\xff HTTP/1.1"]
    ),
    lines=st.lists(
        st.one_of(
            st.sampled_from([b"Host: 127.0.0.1", b"Content-Length: -1", b"Content-Length: 9\r\nContent-Length: 8"]),
            st.sampled_from(
                [b"Transfer-Encoding: chunked", b"Cookie: " + b"a=b; " * 5000, b"Connection: upgrade", b": x"]
            ),
            st.binary(max_size=40),
        ),
        max_size=4,
    ),
    rest=st.binary(max_size=60),
)
@example(b"GET /?token=\xff%ff HTTP/1.1", [b"Host: 127.0.0.1"], b"")
def test_bytes_that_are_no_request(served: Served, start: bytes, lines: list[bytes], rest: bytes) -> None:
    host, port = served.host.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.settimeout(0.2)
        raw.sendall(b"\r\n".join([start, *lines, b"", rest]))
        raw.shutdown(socket.SHUT_WR)
        try:
            said = raw.recv(65536)
        except (TimeoutError, ConnectionError):  # it waits for more, or has hung up
            said = b""
    assert b"Traceback" not in said and not re.match(rb"HTTP/1\.\d (200|500)", said), said
    assert served.get("/work", Accept="application/json").status == 200
