"""Who may talk to the page: host, token, cookie, origin, form token, paths, sizes; and what every response says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from rag_app import Library
from rag_app.serve.app import ROUTES
from rag_app.serve.forms import FORM_BYTES, PICTURE_BYTES, UPLOAD_BYTES
from tests.serving import FORM, Served

POSTS = [route.path for route in ROUTES if isinstance(route, Route) and "POST" in (route.methods or ())]
GETS = ["/", "/papers", "/figures", "/search?q=temperature", "/models", "/evaluations", "/static/app.js", "/nothing"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sample_library: Path) -> Iterator[Served]:
    """A page over a copy of the sample library."""
    import shutil

    library = Path(shutil.copytree(sample_library, tmp_path_factory.mktemp("gate") / "library"))
    (library.parent / "secret.png").write_bytes(b"outside")
    with Served(library) as served:
        yield served


def there(path: str) -> str:
    """A route's path with something in its place."""
    return path.format(paper="ab" * 32, node="n1", name="x", file="x", run="x", page=1)


def test_the_printed_address_lets_in_and_leaves_no_token_behind(served: Served) -> None:
    query = served.url.partition("?")[2]
    reply = served.request("GET", f"/papers?{query}&x=1", cookie="")
    assert (reply.status, reply.headers["location"]) == (303, "/papers?x=1")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert query.partition("=")[2] not in reply.headers["set-cookie"], "the cookie is not the token"


def test_the_token_does_not_lead_to_another_host(served: Served) -> None:
    query = served.url.partition("?")[2]
    for path in ("//evil.example/", "/%2f%2fevil.example/", "///evil.example"):
        reply = served.request("GET", f"{path}?{query}", cookie="")
        assert reply.status == 303 and not reply.headers["location"].startswith("//"), reply.headers["location"]


@pytest.mark.parametrize("path", GETS)
def test_nothing_is_shown_without_the_cookie(served: Served, path: str) -> None:
    for cookie in ("", "rag_app_1=x", f"{served.cookie}x", f"{served.cookie.partition('=')[0]}=é", "=;;a=\x7f"):
        reply = served.request("GET", path, cookie=cookie.encode().decode("latin-1"))
        assert reply.status == 403 and "rag-app serve printed" in reply.text


def test_a_wrong_token_is_refused_whatever_cookie_comes_with_it(served: Served) -> None:
    assert served.request("GET", "/?token=x").status == 403
    assert served.request("GET", "/?token=%C3%A9").status == 403
    assert served.request("GET", "/?token=").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example:80", "0.0.0.0", ""]
)
def test_a_foreign_host_name_is_refused(served: Served, host: str) -> None:
    """DNS rebinding: a name of the attacker's that leads to this machine."""
    assert served.request("GET", "/", headers={"Host": host}).status in (400, 421)  # without any: refused by the server


def test_localhost_is_this_machine(served: Served) -> None:
    assert served.request("GET", "/", headers={"Host": served.host.replace("127.0.0.1", "localhost")}).status == 200


@pytest.mark.parametrize("path", POSTS)
def test_every_post_needs_the_origin_of_the_page(served: Served, path: str) -> None:
    token = served.form_token
    for origin in (None, "null", "http://evil.example", "http://127.0.0.1:1", "https://" + served.host):
        body = f"form_token={token}".encode()
        reply = served.request("POST", there(path), body=body, headers={"Origin": origin, "Content-Type": FORM})
        assert reply.status == 403 and "another page" in reply.text


@pytest.mark.parametrize("path", POSTS)
def test_every_post_needs_the_token_of_its_form(served: Served, path: str) -> None:
    before = state(served.library)
    for token in ("", "x", served.cookie.partition("=")[2]):
        reply = served.post(there(path), ("question", "Why?"), ("language", "fa"), token=token)
        assert reply.status == 403 and "load the page again" in reply.text
    assert state(served.library) == before


def state(library: Path) -> tuple[list[str], int]:
    with Library.open(library, create=False, read_only=True) as opened:
        return [document.name for document in opened.documents()], opened.status().answers


@pytest.mark.parametrize("path", POSTS)
def test_a_form_over_its_limit_is_refused(served: Served, path: str) -> None:
    """Known from its length before anything of it is read."""
    most = {"/papers": UPLOAD_BYTES, "/search": PICTURE_BYTES}.get(path, FORM_BYTES)
    reply = served.request(
        "POST", there(path), headers={"Content-Length": str(most + 1), "Content-Type": FORM, "Connection": "close"}
    )
    assert reply.status == 413 and "sent at once" in reply.text


def test_a_form_that_does_not_say_its_length_is_cut_off(served: Served) -> None:
    chunk = b"form_token=" + b"x" * 30_000
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for _ in range(4)) + b"0\r\n\r\n"
    reply = served.request(
        "POST",
        "/ask",
        body=body,
        headers={"Content-Length": None, "Transfer-Encoding": "chunked", "Content-Type": FORM},
    )
    assert reply.status in (400, 413)


@pytest.mark.parametrize("path", [*GETS, "/nothing?token=x"])
def test_every_response_keeps_others_out(served: Served, path: str) -> None:
    for reply in (served.get(path), served.request("GET", path, cookie="")):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["referrer-policy"] == "same-origin"


def test_no_page_holds_a_script_of_its_own(served: Served) -> None:
    for path in GETS:
        text = served.get(path).text.lower()
        if "<html" in text:
            assert text.count("<script") == text.count('<script src="/static/app.js" defer></script>') == 1
            assert " onclick=" not in text and "javascript:" not in text


TRICKS = (
    "../secret.png",
    "..%2fsecret.png",
    "%2e%2e%2fsecret.png",
    "..%252fsecret.png",
    "..\\secret.png",
    "..%5csecret.png",
    "%00",
    "library.sqlite",
    "../library.sqlite",
    "..%2flibrary.sqlite",
    "....//library.sqlite",
    "%c0%ae%c0%ae/library.sqlite",
    "settings.toml",
)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize(
    "folder", ["/", "/crops/", "/static/", "/papers/", "/conversation/", "/evaluations/", "/evaluations/x/../../"]
)
def test_nothing_outside_its_place_is_served(served: Served, folder: str, trick: str) -> None:
    reply = served.get(folder + trick)
    assert reply.status in (307, 400, 404), reply.status
    assert b"outside" not in reply.body and b"SQLite format" not in reply.body


@pytest.mark.parametrize("name", ["{}/pages/1.webp", "{}/pages/1"])
def test_a_paper_is_named_by_its_digest_alone(served: Served, name: str) -> None:
    for paper in ("clip_fa.pdf", "..", "%2e%2e", "*", "ab" * 32, "AB" * 32, "ab" * 31 + "a%00"):
        assert served.get("/papers/" + name.format(paper)).status == 404


def test_what_is_not_a_page_is_not_served(served: Served) -> None:
    paper = next(iter((served.library / "files").iterdir())).stem
    for page in ("0", "99", "-1", "1e1", "1.5", "9" * 40, "x"):
        assert served.get(f"/papers/{paper}/pages/{page}.webp").status == 404
    assert served.get(f"/papers/{paper}/pages/1.webp").headers["content-type"] == "image/webp"


def test_other_methods_are_refused(served: Served) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert served.request(method, "/papers", headers={"Origin": served.address}).status in (400, 405)
        assert served.request(method, "/papers").status == 403, "without the page's origin"
