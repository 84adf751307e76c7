"""Access tokens: which are taken, and that nothing else is."""

import base64
import json
import time
from typing import Any

import pytest

from croupier.errors import CroupierError
from croupier.settings import SettingsError
from croupier_http.auth import Authenticator, make_token
from tests.http.support import (
    PULL,
    SECRET,
    WALLET,
    Client,
    assert_is_error,
    dump,
    forged,
    running,
    settings_for,
    token,
)

NOW_S = int(time.time())


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    """A token with this header and whatever signature."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "42", "tier": "VIP", "role": "user", "iat": NOW_S, "exp": NOW_S + 600, "jti": "x"}
    return f"{part(header)}.{part(claims)}.{signature}"


BAD_TOKENS = {
    "another secret": forged(secret="another secret of 32 bytes or more"),
    "HS512": forged(algorithm="HS512"),
    "HS384": forged(algorithm="HS384"),
    "alg none": unsigned({"alg": "none", "typ": "JWT"}),
    "alg None": unsigned({"alg": "None"}, "x"),
    "alg RS256": unsigned({"alg": "RS256"}, forged().rpartition(".")[2]),
    "alg missing": unsigned({"typ": "JWT"}, "x"),
    "expired": forged(exp=NOW_S - 1),
    "issued tomorrow": forged(iat=NOW_S + 86_400),
    "nonsense": "nonsense",
    "two parts": "a.b",
    "deep header": base64.urlsafe_b64encode(b"[" * 4_000).rstrip(b"=").decode() + ".e30.x",
    "not base64": "ä.ö.ü",
    **{f"without {name}": forged(without=name) for name in ("sub", "tier", "role", "iat", "exp", "jti")},
    **{
        f"sub {sub!r}": forged(sub=sub)
        for sub in ("0", "-1", str(2**53), "abc", "042", "4.2", "", " 42", "٤٢", "9" * 400)
    },
    "unknown tier": forged(tier="GOLD"),
    "unknown role": forged(role="root"),
    "exp a text": forged(exp=str(NOW_S + 600)),
    "exp a fraction": forged(exp=NOW_S + 600.5),
    "iat a text": forged(iat=str(NOW_S)),
    "jti empty": forged(jti=""),
    "jti long": forged(jti="x" * 129),
}


@pytest.mark.parametrize("bearer", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_given_a_bad_token_when_identified_then_refused_without_repeating_it(bearer: str) -> None:
    with pytest.raises(CroupierError) as caught:
        Authenticator(SECRET).identify(f"Bearer {bearer}")

    assert caught.value.code == "UNAUTHENTICATED"
    assert bearer not in caught.value.message


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Basic {token()}", token(), f"Token {token()}", f"Bearer {token()} x"],
)
def test_given_another_header_when_identified_then_refused(header: str | None) -> None:
    with pytest.raises(CroupierError) as caught:
        Authenticator(SECRET).identify(header)

    assert caught.value.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("uid", [1, 42, 2**53 - 1])
def test_given_a_good_token_when_identified_twice_then_it_says_who_it_is(uid: int) -> None:
    authenticator = Authenticator(SECRET)
    header = f"bearer {token(uid, 'PREMIUM', 'admin')}"

    for _ in range(2):
        identity = authenticator.identify(header)
        assert (identity.uid, identity.tier, identity.role) == (uid, "PREMIUM", "admin")


def test_given_a_remembered_token_when_it_expires_then_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = Authenticator(SECRET)
    header = f"Bearer {token(ttl_s=60)}"
    authenticator.identify(header)

    later_s = time.time() + 61
    monkeypatch.setattr("croupier_http.auth.time.time", lambda: later_s)

    with pytest.raises(CroupierError, match="expired"):
        authenticator.identify(header)


def test_given_more_tokens_than_are_remembered_when_identified_then_the_oldest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("croupier_http.auth._REMEMBERED_MAX", 3)
    authenticator = Authenticator(SECRET)
    headers = [f"Bearer {token(uid)}" for uid in range(1, 11)]

    for _ in range(2):
        assert [authenticator.identify(header).uid for header in headers] == list(range(1, 11))
    assert len(authenticator._remembered) == 3


def test_given_a_short_secret_when_used_then_it_is_refused_without_showing_it() -> None:
    for use in (
        lambda: Authenticator("short secret"),
        lambda: make_token("short secret", 1, "VIP", "user", 60),
    ):
        with pytest.raises(SettingsError) as caught:
            use()
        assert "JWT_SECRET_KEY" in str(caught.value)
        assert "short secret" not in str(caught.value)


@pytest.mark.parametrize(
    "bearer",
    ["", "nonsense", forged(exp=NOW_S - 1), forged(algorithm="HS512")],
    ids=["none", "nonsense", "expired", "HS512"],
)
async def test_given_a_bad_token_when_asking_or_pulling_then_401_and_nothing_changes(
    client: Client, redis_url: str, bearer: str
) -> None:
    state = dump(redis_url)

    for reply in (await client.get(WALLET, bearer=bearer), await client.post(PULL, bearer=bearer)):
        assert_is_error(reply, 401, "UNAUTHENTICATED")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert dump(redis_url) == state


async def test_given_a_token_in_the_query_when_asking_then_it_does_not_count(client: Client) -> None:
    reply = await client.get(f"{WALLET}?token={token()}", bearer="")

    assert_is_error(reply, 401, "UNAUTHENTICATED")


async def test_given_an_unsuitable_secret_when_started_then_settings_error(redis_url: str) -> None:
    with pytest.raises(SettingsError, match="JWT_SECRET_KEY"):
        async with running(settings_for(redis_url, jwt_secret_key="")):
            pass
