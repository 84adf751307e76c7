"""Observed against disclosed odds: what an operator is told of what was played."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from msgspec.structs import replace

from croupier_sync.push import push
from tests.http.console import House, open_house
from tests.http.support import token

ODDS = "/api/admin/odds"


def counts_of(table: dict[str, Any]) -> Counter[str]:
    """What was observed at all, by outcome."""
    return +Counter({each["outcome"]: each["observed"] for each in table["outcomes"]})


async def give(house: House, uid: int, command: str, body: dict[str, Any]) -> Any:
    """A command over HTTP, which must be carried out."""
    reply = await house.client.post(f"/api/games/{command}", body, bearer=token(uid))
    assert reply.status == 200, reply.body
    return reply.json


async def test_given_pulls_under_two_versions_when_asked_then_counts_are_those_that_were_played(
    redis_url: str, database_url: str
) -> None:
    played: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    async with open_house(redis_url, database_url, Legendary=0, Epic=0) as house:
        for uid in range(1, 4):
            for banner in ("standard", "festival"):
                reply = await house.pull(uid, 10, banner)
                played[banner, reply["receipt"]["economy"]].append(reply)
        changed = replace(house.casino.economy, initial_tokens=house.casino.economy.initial_tokens + 1)
        version, _ = await push(house.casino.transport, house.postgres, changed)
        reply = await house.pull(1, 10, "festival")
        played["festival", reply["receipt"]["economy"]].append(reply)
        await house.settled()

        found = await house.ask(ODDS)
        newest = await house.ask(ODDS + "?rounds=2")

    banners = [item for item in found["items"] if item["game"] == "gacha"]
    assert (found["total"], found["rounds"], found["complete"]) == (3, 7, True)
    assert (newest["rounds"], newest["complete"]) == (2, False)
    assert {(item["banner"], item["economy"]) for item in banners} == set(played)
    for item in banners:
        replies = played[item["banner"], item["economy"]]
        draws = [each for reply in replies for each in reply["items"]]
        tables = {table["name"]: counts_of(table) for table in item["tables"]}
        assert tables.pop("Rarity") == Counter(each["downgraded_from"] or each["rarity"] for each in draws)
        for name, counts in tables.items():
            rarity = name.removesuffix(" items")
            assert counts == Counter(each["item_id"] for each in draws if each["rarity"] == rarity)
        assert (item["rounds"], item["tables"][0]["draws"]) == (len(replies), 10 * len(replies))
        assert item["in_force"] is (item["economy"] == version)
        assert sum(each["expected"] for each in item["tables"][0]["outcomes"]) == pytest.approx(len(draws))
        assert item["first_at"] <= item["last_at"] <= found["as_of"]


async def test_given_the_other_games_when_asked_then_counts_are_those_that_were_played(
    redis_url: str, database_url: str
) -> None:
    spins, games, rounds = [], [], []
    async with open_house(redis_url, database_url) as house:
        for uid in range(1, 21):
            spins.append(await give(house, uid, "slot/spin", {"bet_amount": 100}))
            games.append(await give(house, uid, "rps/play", {"player_move": "ROCK"}))
            bet = await give(house, uid, "crash/bet", {"bet_amount": 100})
            rounds.append(await give(house, uid, "crash/cashout", {"game_id": bet["game_id"]}))
        await house.settled()
        found = {item["game"]: item for item in (await house.ask(ODDS))["items"]}

    assert set(found) == {"slot", "rps", "crash"}
    assert {(item["rounds"], item["banner"], item["in_force"]) for item in found.values()} == {
        (20, None, True)
    }
    for item in found.values():
        judged = [table["p_value"] for table in item["tables"] if table["p_value"] is not None]
        assert item["p_value"] == (min(1, len(judged) * min(judged)) if judged else None)
    assert found["slot"]["p_value"] is not None
    slot = {table["name"]: table for table in found["slot"]["tables"]}
    for number in (1, 2, 3):
        shown = Counter(spin["reels"][number - 1][0] for spin in spins)
        assert counts_of(slot[f"Reel {number}, top row"]) == shown
    assert counts_of(slot["Payout of a spin"])["nothing"] == sum(not spin["payout"] for spin in spins)
    assert found["slot"]["rtp"]["observed"] == pytest.approx(sum(spin["payout"] for spin in spins) / 20)
    outcomes, moves = found["rps"]["tables"]
    assert counts_of(outcomes) == Counter(game["outcome"] for game in games)
    assert counts_of(moves) == Counter(game["server_move"] for game in games)
    (points,) = found["crash"]["tables"]
    lost = sum(each["outcome"] == "crashed" and each["crash_point"] == 1 for each in rounds)
    assert (points["draws"], counts_of(points)["lost at once"]) == (20, lost)
    assert found["crash"]["rtp"] is None and found["rps"]["rtp"] is None


async def test_given_nothing_played_when_asked_then_there_are_no_groups(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        found = await house.ask(ODDS)

    assert (found["total"], found["items"], found["rounds"], found["complete"]) == (0, [], 0, True)
