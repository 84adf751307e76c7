"""Requests without a valid token: limited per client address, which nobody can choose by a header."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from croupier.settings import SettingsError
from croupier_http.addresses import NOWHERE, Addresses
from croupier_http.strangers import SlidingWindows, Wait
from tests.http.support import PULL, WALLET, Client, Reply, assert_is_error, forged, running, settings_for
from tests.http.test_pages import samples

LIMIT = 30
PROXIES = "10.0.0.0/8, 192.0.2.7, 2001:db8:1::/48"

# Each is a request that anyone can make: method, path, further headers.
FOR_ANYONE: dict[str, tuple[str, str, dict[str, str]]] = {
    "page": ("GET", "/openapi.json", {}),
    "HEAD of a page": ("HEAD", "/docs", {}),
    "docs": ("GET", "/docs", {}),
    "unknown path": ("GET", "/nowhere", {}),
    "unknown method": ("DELETE", WALLET, {}),
    "query without token": ("GET", WALLET, {}),
    "command without token": ("POST", PULL, {}),
    "refused token": ("GET", WALLET, {"Authorization": f"Bearer {forged(secret='x' * 32)}"}),
    "expired token": ("POST", PULL, {"Authorization": f"Bearer {forged(exp=1)}"}),
    "another scheme": ("GET", WALLET, {"Authorization": "Basic eDp5"}),
}


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def windows(per_second: int, per_minute: int, **options: Any) -> tuple[SlidingWindows, Clock]:
    clock = Clock()
    return SlidingWindows(per_second, per_minute, clock, **options), clock


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all limits in workers of this process, which stands still."""
    clock = Clock()
    monkeypatch.setattr("croupier_http.strangers.monotonic", clock)
    return clock


@pytest.fixture
async def limited(redis_url: str, stopped: Clock) -> AsyncIterator[Client]:
    """A client of a worker that lets `LIMIT` requests of strangers through, since its time stands still."""
    settings = settings_for(redis_url, stranger_rate_per_second=0, stranger_rate_per_minute=LIMIT)
    async with running(settings) as client:
        yield client


@pytest.fixture
async def behind_proxy(redis_url: str, stopped: Clock) -> AsyncIterator[Client]:
    """The same, where this machine is a proxy, and 10.0.0.0/8 are more of them."""
    settings = settings_for(
        redis_url,
        stranger_rate_per_second=0,
        stranger_rate_per_minute=LIMIT,
        trusted_proxies="127.0.0.1, 10.0.0.0/8",
    )
    async with running(settings) as client:
        yield client


async def asked(client: Client, count: int, path: str = "/nowhere", **headers: str) -> list[Reply]:
    """So many requests without a token at once."""
    each = [client.get(path, bearer="", headers=headers) for _ in range(count)]
    return list(await asyncio.gather(*each))


def passed(replies: list[Reply]) -> int:
    return sum(reply.status != 429 for reply in replies)


@pytest.mark.parametrize("name", FOR_ANYONE)
async def test_given_1000_requests_at_once_when_none_has_a_valid_token_then_exactly_the_limit_is_answered(
    limited: Client, name: str
) -> None:
    method, path, headers = FOR_ANYONE[name]

    replies = await asyncio.gather(
        *(limited.request(method, path, bearer="", headers=headers) for _ in range(1_000))
    )

    statuses = Counter(reply.status for reply in replies)
    assert len(statuses) == 2
    assert statuses[429] == 1_000 - LIMIT


async def test_given_all_kinds_of_requests_when_too_many_then_they_share_one_limit(limited: Client) -> None:
    requests = [FOR_ANYONE[name] for name in FOR_ANYONE] * LIMIT

    replies = [
        await limited.request(method, path, bearer="", headers=headers)
        for method, path, headers in requests[: LIMIT + 10]
    ]

    assert [reply.status == 429 for reply in replies] == [False] * LIMIT + [True] * 10


async def test_given_two_tokens_in_one_request_when_too_many_then_429(limited: Client) -> None:
    request = (
        f"GET {WALLET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"
    )

    replies = [await limited.raw(request.encode()) for _ in range(LIMIT + 1)]

    assert [reply.split(b" ")[1] for reply in replies] == [b"400"] * LIMIT + [b"429"]


async def test_given_a_refusal_when_read_then_its_headers_and_body_say_when_to_come_back(
    redis_url: str, stopped: Clock
) -> None:
    settings = settings_for(redis_url, stranger_rate_per_second=5, stranger_rate_per_minute=8)
    async with running(settings) as client:
        assert passed(await asked(client, 5)) == 5
        second = (await asked(client, 1))[0]
        stopped.now_s += 10
        assert passed(await asked(client, 3)) == 3
        minute = (await asked(client, 1, WALLET))[0]
        stopped.now_s += 50
        assert passed(await asked(client, 6)) == 5

    for reply, window, wait_s in ((second, "second", 1), (minute, "minute", 50)):
        body = assert_is_error(reply, 429, "RATE_LIMITED")
        assert (body["scope"], body["window"]) == ("address", window)
        assert (body["limit_per_second"], body["limit_per_minute"]) == (5, 8)
        assert reply.headers["Retry-After"] == str(wait_s)
        assert reply.headers["RateLimit"] == f'"{window}";r=0;t={wait_s}'
        assert reply.headers["RateLimit-Policy"] == '"second";q=5;w=1, "minute";q=8;w=60'


async def test_given_an_address_over_its_limit_when_a_valid_token_comes_from_it_then_it_is_served(
    limited: Client,
) -> None:
    assert passed(await asked(limited, 2 * LIMIT, WALLET)) == LIMIT

    replies = [await limited.get(WALLET) for _ in range(2 * LIMIT)]
    pull = await limited.post(PULL)

    assert {reply.status for reply in replies} == {200}
    assert pull.status == 200
    assert passed(await asked(limited, 1, WALLET)) == 0


async def test_given_valid_tokens_when_their_requests_are_refused_otherwise_then_they_are_not_counted(
    limited: Client,
) -> None:
    for _ in range(LIMIT):
        assert (await limited.post(PULL, {"count": 2})).status == 422
        assert (await limited.post(PULL, b"{")).status == 400
        assert (await limited.post(PULL, {"banner": "none-such"})).status == 404

    assert passed(await asked(limited, LIMIT + 1)) == LIMIT


async def test_given_an_address_over_its_limit_when_probed_then_the_probes_are_answered(
    limited: Client,
) -> None:
    await asked(limited, LIMIT)

    assert {reply.status for reply in await asked(limited, 2 * LIMIT, "/ready")} == {200}
    assert {reply.status for reply in await asked(limited, 2 * LIMIT, "/health")} == {200}


async def test_given_an_address_over_its_limit_when_a_browser_asks_what_it_may_then_it_is_told(
    redis_url: str, stopped: Clock
) -> None:
    settings = settings_for(redis_url, stranger_rate_per_second=1, cors_origins="https://play.example")
    async with running(settings) as client:
        await asked(client, 2)

        preflight = await client.request(
            "OPTIONS", PULL, bearer="", headers={"Origin": "https://play.example"}
        )

        assert preflight.status == 200


async def test_given_limits_of_0_when_asked_often_then_none_is_refused(redis_url: str) -> None:
    settings = settings_for(redis_url, stranger_rate_per_second=0, stranger_rate_per_minute=0)
    async with running(settings) as client:
        assert passed(await asked(client, 500)) == 500


async def passed_under_ever_new_names(client: Client, header: str) -> int:
    """How many of many requests at once pass, each with another number in a header."""
    name, _, value = header.partition(": ")
    numbers = range(1, 5 * LIMIT)
    each = [client.get("/nowhere", bearer="", headers={name: value.format(number)}) for number in numbers]
    return passed(list(await asyncio.gather(*each)))


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For: 198.51.100.{}", "Forwarded: for=198.51.100.{}", "X-Real-IP: 198.51.100.{}"],
)
async def test_given_no_proxies_when_headers_name_ever_new_addresses_then_nothing_is_gained(
    limited: Client, header: str
) -> None:
    assert await passed_under_ever_new_names(limited, header) == LIMIT


@pytest.mark.parametrize(
    "header",
    [
        # The last entry is what the proxy appends: whom it was called by.
        "X-Forwarded-For: 198.51.100.{}, 203.0.113.9",
        "X-Forwarded-For: 198.51.100.{}, 10.0.0.1, 203.0.113.9, 10.0.0.2",
        "X-Forwarded-For: 198.51.100.{}, nonsense",
        "Forwarded: for=198.51.100.{}",
        "X-Real-IP: 198.51.100.{}",
    ],
)
async def test_given_a_proxy_when_its_client_prepends_ever_new_addresses_then_nothing_is_gained(
    behind_proxy: Client, header: str
) -> None:
    assert await passed_under_ever_new_names(behind_proxy, header) == LIMIT


async def test_given_a_proxy_when_it_names_two_clients_then_each_has_a_limit_of_its_own(
    behind_proxy: Client,
) -> None:
    first = await asked(behind_proxy, LIMIT + 5, **{"X-Forwarded-For": "198.51.100.1"})
    second = await asked(behind_proxy, LIMIT + 5, **{"X-Forwarded-For": "198.51.100.2, 10.1.2.3"})
    same = await asked(behind_proxy, 5, **{"X-Forwarded-For": "198.51.100.1, 10.1.2.3, 10.3.2.1"})

    assert (passed(first), passed(second), passed(same)) == (LIMIT, LIMIT, 0)


async def test_given_several_forwarding_headers_when_read_then_the_last_one_is_the_right_end(
    behind_proxy: Client,
) -> None:
    await asked(behind_proxy, LIMIT, **{"X-Forwarded-For": "198.51.100.1"})
    request = "GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\nX-Forwarded-For: {}\r\n\r\n"

    seen = await behind_proxy.raw(request.format("198.51.100.9", "198.51.100.1").encode())
    unseen = await behind_proxy.raw(request.format("198.51.100.1", "198.51.100.9").encode())

    assert (seen.split(b" ")[1], unseen.split(b" ")[1]) == (b"429", b"404")


async def test_given_refusals_when_scraped_then_they_are_counted_by_operation(redis_url: str) -> None:
    # Probed as a client of a proxy, so that the scrape itself is another client.
    settings = settings_for(redis_url, stranger_rate_per_second=0, stranger_rate_per_minute=LIMIT,
                            trusted_proxies="127.0.0.1")  # fmt: skip
    async with running(settings) as client:
        before = samples((await client.get("/metrics")).body)
        for path in ("/nowhere", WALLET, "/docs"):
            await asked(client, LIMIT if path == "/nowhere" else 0, path, **{"X-Forwarded-For": "192.0.2.1"})
            await asked(client, 3, path, **{"X-Forwarded-For": "192.0.2.1"})
        after = samples((await client.get("/metrics")).body)

    for operation in ("unknown", "wallet_v1", "docs_v1"):
        name = f'game_rate_limit_hits_total{{endpoint="{operation}",user_tier="none"}}'
        assert after[name] - before.get(name, 0) == 3


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["  203.0.113.1\t"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.66, 203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.66", "203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.66, 203.0.113.1, 10.9.9.9, 192.0.2.7"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.66, 192.0.2.8, 192.0.2.7"], "192.0.2.8"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.66, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.66, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.66, 10.0.0.2,"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1:4711"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1, 010.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", ["\udcff"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.1"], "203.0.113.1"),
        ("2001:db8:1::1", ["2001:db8:2:3:4:5:6:7"], "2001:db8:2:3::/64"),
        ("2001:db8:2:3::1", [], "2001:db8:2:3::/64"),
        ("2001:db8:2:4::1", ["203.0.113.1"], "2001:db8:2:4::/64"),
        ("fe80::1%lo", [], "fe80::/64"),
        (None, ["203.0.113.1"], NOWHERE),
        ("", ["203.0.113.1"], NOWHERE),
        ("/run/croupier.sock", ["203.0.113.1"], NOWHERE),
    ],
)
def test_given_a_chain_of_hops_when_walked_from_the_right_then_the_first_that_is_no_proxy_is_the_client(
    peer: str | None, forwarded_for: list[str], client: str
) -> None:
    assert Addresses.parse(PROXIES).client(peer, forwarded_for) == client


def test_given_no_proxies_when_asked_then_the_peer_is_the_client_whatever_it_says() -> None:
    for text in ("", " , "):
        assert Addresses.parse(text).client("127.0.0.1", ["203.0.113.1"]) == "127.0.0.1"


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.1;10.0.0.2", "*"])
def test_given_what_is_no_network_when_parsed_then_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="CROUPIER_TRUSTED_PROXIES"):
        Addresses.parse(text)


async def test_given_unusable_proxies_when_started_then_settings_error(redis_url: str) -> None:
    with pytest.raises(SettingsError, match="CROUPIER_TRUSTED_PROXIES"):
        async with running(settings_for(redis_url, trusted_proxies="nonsense")):
            pass


def test_given_a_full_window_when_its_oldest_request_leaves_it_then_exactly_one_more_is_let_through() -> None:
    limits, clock = windows(0, 3)
    for _ in range(3):
        assert limits.take("a") is None
        clock.now_s += 10

    assert limits.take("a") == Wait("minute", 30.0)
    clock.now_s += 29.5
    assert limits.take("a") == Wait("minute", 0.5)
    clock.now_s += 0.5
    assert limits.take("a") is None
    assert limits.take("a") == Wait("minute", 10.0)


def test_given_both_limits_when_either_is_reached_then_the_longer_wait_is_named() -> None:
    limits, clock = windows(2, 3)
    assert [limits.take("a") for _ in range(3)] == [None, None, Wait("second", 1.0)]
    clock.now_s += 1

    assert [limits.take("a") for _ in range(2)] == [None, Wait("minute", 59.0)]
    clock.now_s += 59.5
    assert [limits.take("a") for _ in range(3)] == [None, None, Wait("second", 1.0)]
    assert limits.take("b") is None


def test_given_a_limit_per_second_above_that_per_minute_when_asked_then_both_hold() -> None:
    limits, clock = windows(5, 2)
    assert [limits.take("a") for _ in range(3)] == [None, None, Wait("minute", 60.0)]
    clock.now_s += 60

    assert [limits.take("a") for _ in range(3)] == [None, None, Wait("minute", 60.0)]


def test_given_refused_requests_when_they_go_on_then_they_do_not_put_off_the_next_one() -> None:
    limits, clock = windows(1, 0)
    assert limits.take("a") is None
    for _ in range(8):
        clock.now_s += 0.125
        refused = limits.take("a")
        assert (refused is None) == (clock.now_s == 1_001.0)


def test_given_a_slow_flood_of_addresses_when_counted_then_the_idlest_is_forgotten_and_memory_bounded() -> (
    None
):
    limits, clock = windows(0, 1, addresses_max=100)
    assert limits.take("first") is None
    for number in range(10_000):
        clock.now_s += 0.001
        assert limits.take(f"other {number}") is None
        assert len(limits) <= 100
        if number < 5_000:
            assert limits.take("first") is not None  # who keeps asking is not idle, even when refused
    assert limits.take("first") is None


def test_given_addresses_that_went_away_when_others_ask_then_they_are_forgotten() -> None:
    limits, clock = windows(5, 10)
    for number in range(50):
        limits.take(f"gone {number}")
    clock.now_s += 60

    for _ in range(50):
        limits.take("a")
    assert len(limits) == 1


def test_given_one_address_when_it_asks_for_ever_then_no_more_times_are_kept_than_the_limit() -> None:
    limits, clock = windows(0, 7)
    for _ in range(1_000):
        clock.now_s += 60
        assert limits.take("a") is None

    assert len(limits._times["a"]) <= 7
