"""What every reply tells a browser to do, and what every page does besides."""

import re
from collections.abc import AsyncIterator

import pytest

from croupier.registry import ACTIONS, BATCHES, COMMANDS
from croupier_http import openapi, web
from tests.http.support import Client, Reply, parsed, running, settings_for

HSTS = "Strict-Transport-Security"
ORIGIN = "https://play.example"


UNLIMITED = {"stranger_rate_per_second": 0, "stranger_rate_per_minute": 0}


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A worker that refuses nobody for asking so much."""
    async with running(settings_for(redis_url, **UNLIMITED)) as running_client:
        yield running_client


@pytest.fixture
async def behind_tls(redis_url: str) -> AsyncIterator[Client]:
    """The same, told that a proxy speaks TLS for it, and with an origin, so that OPTIONS is answered."""
    async with running(
        settings_for(redis_url, hsts_seconds=31_536_000, cors_origins=ORIGIN, **UNLIMITED)
    ) as running_client:
        yield running_client


async def replies(client: Client) -> dict[str, Reply]:
    """One reply at least from each route, good or bad, and from where there is none, by what was asked."""
    found: dict[str, Reply] = {}
    paths = [*openapi.document()["paths"], *web.endpoints(), "/nowhere"]
    for path in paths:
        address = re.sub(r"\{\w+\}", "1", path)
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            for bearer in ("", None):
                name = f"{method} {path} {'without' if bearer == '' else 'with'} a token"
                found[name] = await client.request(method, address, bearer=bearer, headers={"Origin": ORIGIN})
    page = found["GET /play without a token"].body.decode()
    for address in {*re.findall(r'"(/web/[^"]+)"', page)}:
        found[f"GET {address}"] = await client.get(address, bearer="")
    etag = found["GET /play without a token"].headers["ETag"]
    found["GET /play again"] = await client.get("/play", bearer="", headers={"If-None-Match": etag})
    for command in COMMANDS:  # in the direct way, which has its own end
        found[f"direct {command.path}"] = await client.post(command.path, {})
    found["no HTTP"] = parsed(await client.raw(b"nonsense\r\n\r\n"))
    return found


def is_page(reply: Reply) -> bool:
    """Whether a browser may show it, or run it."""
    kind = reply.headers.get("Content-Type", "")
    return kind.partition(";")[0] in {"text/html", "text/css", "text/javascript", "image/svg+xml"}


async def test_given_any_route_when_asked_anything_then_the_reply_says_that_its_type_is_meant(
    client: Client,
) -> None:
    found = await replies(client)
    assert len(found) > 8 * len([*COMMANDS, *ACTIONS, *BATCHES])
    assert {reply.status for reply in found.values()} >= {200, 304, 400, 401, 404, 405}
    assert [
        name for name, reply in found.items() if reply.headers.get("X-Content-Type-Options") != "nosniff"
    ] == []
    assert [name for name, reply in found.items() if HSTS in reply.headers] == []


async def test_given_any_page_when_asked_for_then_it_may_do_what_it_needs_and_be_in_no_frame(
    client: Client,
) -> None:
    pages = {name: reply for name, reply in (await replies(client)).items() if is_page(reply)}
    assert {"GET /play without a token", "GET /console without a token", "GET /docs without a token"} <= set(
        pages
    )
    assert len(pages) > 10
    for name, reply in pages.items():
        policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'", name
        assert "unsafe" not in reply.headers["Content-Security-Policy"], name
        assert reply.headers["X-Frame-Options"] == "DENY", name
        assert reply.headers["Referrer-Policy"] == "no-referrer", name
        assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        features = reply.headers["Permissions-Policy"].split(", ")
        assert {"camera=()", "geolocation=()", "microphone=()", "payment=()"} <= set(features), name


async def test_given_a_proxy_that_speaks_tls_when_asked_anything_then_browsers_are_to_stay_with_https(
    behind_tls: Client,
) -> None:
    found = await replies(behind_tls)
    assert [n for n, reply in found.items() if reply.headers.get(HSTS) != "max-age=31536000"] == []
    assert found["OPTIONS /play without a token"].status < 300
