"""The event log for operators: filters, pages, and what stands in it."""

import asyncio
import datetime
from typing import Any

import pytest

from croupier.admin import events
from tests.http.console import House, admin, open_house
from tests.http.support import assert_is_error, token

EVENTS = "/api/admin/events"


async def walked(house: House, query: str, limit: int) -> list[dict[str, Any]]:
    """All items of all pages."""
    items, cursor = [], ""
    while True:
        page = await house.ask(f"{EVENTS}?limit={limit}{query}{cursor}")
        assert page["total"] is None
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


async def played(house: House) -> None:
    for uid in (1, 2, 1):
        await house.pull(uid)
        body = {"player_move": "ROCK", "bet_amount": 0}
        await house.client.post("/api/games/rps/play", body, bearer=token(uid))
    gift = {"user_id": 1, "reward_type": "GEMS", "amount": 5, "source_description": "Gift", "key": "gift"}
    assert (await house.client.post("/api/rewards/distribute", gift, bearer=admin())).status == 200
    await house.settled()


@pytest.mark.parametrize("scanned_max", [50_000, 3])
async def test_given_events_when_filtered_and_paged_then_each_comes_once_newest_first(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch, scanned_max: int
) -> None:
    monkeypatch.setattr(events, "SCANNED_MAX", scanned_max)
    monkeypatch.setattr(events, "_OF_ALL", events._page("$2::bigint IS NULL"))
    monkeypatch.setattr(events, "_OF_PLAYER", events._page("uid = $2"))
    async with open_house(redis_url, database_url) as house:
        await played(house)
        rows = await house.postgres.fetch(
            "SELECT partition, epoch, seq, type, uid, ts_ms FROM events ORDER BY epoch DESC, seq DESC"
        )
        third_ms = sorted(row["ts_ms"] for row in rows)[-3]
        since = datetime.datetime.fromtimestamp(third_ms / 1000, datetime.UTC).isoformat()
        wanted: dict[str, Any] = {
            "": lambda _row: True,
            "&type=gacha.pulled": lambda row: row["type"] == "gacha.pulled",
            "&user_id=1": lambda row: row["uid"] == 1,
            "&user_id=0": lambda row: row["uid"] == 0,
            "&user_id=2&type=rps.played": lambda row: (row["uid"], row["type"]) == (2, "rps.played"),
            "&user_id=77": lambda _row: False,
            "&type=slot.spun": lambda _row: False,
            f"&since={since.replace('+', '%2B')}": lambda row: row["ts_ms"] >= third_ms,
        }
        for query, fits in wanted.items():
            for limit in (1, 4, 100):
                found = [item["event_id"] for item in await walked(house, query, limit)]
                assert found == [
                    f"{row['partition']}-{row['epoch']}-{row['seq']}" for row in rows if fits(row)
                ], (query, limit)


async def test_given_events_of_all_kinds_when_asked_then_they_say_what_happened_and_no_secret(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        await played(house)
        rotated = await house.client.post("/api/fairness/rotate", bearer=token(1))
        await house.settled()
        by_type: dict[str, dict[str, Any]] = {}
        for item in await walked(house, "", 100):
            by_type.setdefault(item["event_type"], item)

    assert set(by_type) == {
        "epoch.opened", "economy.changed", "gacha.pulled", "rps.played", "rewards.granted", "fairness.rotated",
    }  # fmt: skip
    pulled, gift = by_type["gacha.pulled"], by_type["rewards.granted"]
    assert (pulled["player_id"], pulled["tier"], pulled["delta_coin"]) == (1, "VIP", -5_000)
    assert pulled["result"]["banner"] == "standard" and len(pulled["result"]["items"]) == 1
    assert (gift["player_id"], gift["result"]["amount"], gift["result"]["key"]) == (1, 5, "gift")
    assert by_type["epoch.opened"]["player_id"] is None and by_type["epoch.opened"]["result"] is None
    seed = rotated.json["revealed"]["server_seed"]
    assert seed not in str(by_type)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("user_id=-1", "user_id"), ("type=gacha", "type"),
        ("type=gacha.pulled'--", "type"), ("since=2026-01-01T00:00:00", "since"), ("since=now", "since"),
        ("cursor=x", "cursor"), ("other=1", "other"),
    ],
)  # fmt: skip
async def test_given_parameters_that_break_the_schema_when_asked_then_422(
    redis_url: str, database_url: str, query: str, field: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        reply = await house.client.get(f"{EVENTS}?{query}", bearer=admin())

    assert assert_is_error(reply, 422, "VALIDATION_ERROR")["details"]["field"] == field


async def test_given_a_page_when_more_happens_meanwhile_then_the_next_page_goes_on_where_it_ended(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        for uid in (1, 2, 3, 4):
            await house.pull(uid)
        await house.settled()
        first = await house.ask(f"{EVENTS}?limit=2")
        await asyncio.gather(*(house.pull(uid) for uid in (5, 6)))
        await house.settled()
        second = await house.ask(f"{EVENTS}?limit=2&cursor={first['next_cursor']}")

    players = [item["player_id"] for page in (first, second) for item in page["items"]]
    assert players == [4, 3, 2, 1]
