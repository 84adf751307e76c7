"""Cross-origin requests: off by default, and only for the origins named."""

import pytest

from croupier.settings import SettingsError
from croupier_http.cors import Cors
from tests.http.support import PULL, Client, assert_is_error, running, settings_for

PREFLIGHT = {"Origin": "https://play.example", "Access-Control-Request-Method": "POST"}


async def test_given_no_origins_when_asked_from_another_site_then_no_header_allows_it(client: Client) -> None:
    assert_is_error(
        await client.request("OPTIONS", PULL, headers=PREFLIGHT, bearer=""), 405, "METHOD_NOT_ALLOWED"
    )
    reply = await client.post(PULL, headers={"Origin": "https://play.example"})
    assert not any(name.startswith("Access-Control") for name in reply.headers)


async def test_given_origins_when_asked_from_one_of_them_then_it_may_read_replies_and_errors(
    redis_url: str,
) -> None:
    origins = "https://play.example, https://other.example"
    async with running(settings_for(redis_url, cors_origins=origins)) as client:
        preflight = await client.request("OPTIONS", PULL, headers=PREFLIGHT, bearer="")
        assert preflight.status == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://play.example"
        assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
        assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]

        for body in ({"count": 1}, {"count": 2}):
            reply = await client.post(PULL, body, headers={"Origin": "https://play.example"})
            assert reply.headers["Access-Control-Allow-Origin"] == "https://play.example"
            assert "Op-Id" in reply.headers["Access-Control-Expose-Headers"]
            assert reply.headers["Vary"] == "Origin"


async def test_given_origins_when_asked_from_elsewhere_then_no_header_allows_it(redis_url: str) -> None:
    async with running(settings_for(redis_url, cors_origins="https://play.example")) as client:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "https://play.example.evil"}, {}):
            reply = await client.post(PULL, headers=headers)
            assert "Access-Control-Allow-Origin" not in reply.headers
            assert reply.headers["Vary"] == "Origin"


async def test_given_every_origin_when_asked_from_anywhere_then_it_is_allowed(redis_url: str) -> None:
    async with running(settings_for(redis_url, cors_origins="*")) as client:
        reply = await client.post(PULL, headers={"Origin": "https://anywhere.example"})
        assert reply.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "text", ["play.example", "https://", "https://play.example/path", "ftp://x", "https://a,b"]
)
def test_given_what_is_no_origin_when_parsed_then_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="CROUPIER_CORS_ORIGINS"):
        Cors.parse(text)
