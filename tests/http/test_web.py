"""Pages for browsers: what is served, under which policy, and how it may be cached."""

import re
from pathlib import Path

import pytest

from croupier_http import web
from tests.http.support import Client

DIRECTORY = Path(web.__file__).parent


async def version_of(client: Client) -> str:
    """The version that the play page names."""
    page = await client.get("/play", bearer="")
    found = re.search(r'"/web/([0-9a-f]{16})/play/main\.js"', page.body.decode())
    assert found
    return found[1]


async def test_given_the_play_page_then_it_has_a_strict_policy_and_is_asked_for_again(client: Client) -> None:
    reply = await client.get("/play", bearer="")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-cache"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; ")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


async def test_given_every_file_then_it_is_served_for_ever_with_its_type(client: Client) -> None:
    version = await version_of(client)
    files = [path for path in sorted(DIRECTORY.glob("*/*")) if path.suffix in {".js", ".css", ".svg"}]
    types = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
    }
    for path in files:
        reply = await client.get(f"/web/{version}/{path.parent.name}/{path.name}", bearer="")
        assert reply.status == 200
        assert reply.headers["Content-Type"] == types[path.suffix]
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.body == path.read_bytes()
    assert len(files) > 20


async def test_given_what_a_client_has_already_when_asked_again_then_304_without_a_body(
    client: Client,
) -> None:
    version = await version_of(client)
    for path in ("/play", f"/web/{version}/shared/style.css"):
        first = await client.get(path, bearer="")
        etag = first.headers["ETag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            again = await client.get(path, bearer="", headers={"If-None-Match": known})
            assert (again.status, again.body) == (304, b"")
            assert again.headers["ETag"] == etag
            assert again.headers["Content-Length"] == str(len(first.body))
        changed = await client.get(path, bearer="", headers={"If-None-Match": '"other"'})
        assert (changed.status, changed.body) == (200, first.body)


@pytest.mark.parametrize(
    "path",
    [
        "/web/{version}/play/index.html",
        "/web/{version}/play/missing.js",
        "/web/{version}/play/%2e%2e%2f__init__.py",
        "/web/{version}/../__init__.py",
        "/web/{version}/%2e%2e/__init__.py",
        "/web/{version}/play/..%2f..%2fbuild.py",
        "/web/{version}//main.js",
        "/web/0000000000000000/play/main.js",
        "/web/{version}/play",
        "/play/",
        "/shared",
    ],
)
async def test_given_an_address_of_no_file_then_404(client: Client, path: str) -> None:
    reply = await client.get(path.replace("{version}", await version_of(client)), bearer="")
    assert reply.status == 404
    assert reply.headers["Cache-Control"] == "no-store"


def test_given_a_file_that_changes_then_so_does_every_address(tmp_path: Path) -> None:
    part = tmp_path / "game"
    part.mkdir()
    (part / "index.html").write_text('<script src="/web/{version}/game/main.js">')
    pages = []
    for text in ("1", "2"):
        (part / "main.js").write_text(text)
        endpoints = web.endpoints(tmp_path)
        assert list(endpoints) == ["/game", web.FILES_PATH]
        page = endpoints["/game"]
        assert isinstance(page, web.WebPage)
        pages.append(page)
    assert pages[0].file.body != pages[1].file.body
    assert b"{version}" not in pages[0].file.body
