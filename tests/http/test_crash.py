"""The crash game over HTTP: names and aliases, errors, the sweeper at work, and what the metrics show."""

from typing import Any

import pytest

from croupier.fairness.seeds import MasterKeys
from croupier_schemas import keys
from tests.http.support import (
    MASTER_KEYS,
    WALLET,
    Client,
    assert_is_error,
    running,
    settings_for,
    token,
    until,
)
from tests.model import crash as model
from tests.model import fairness
from tests.redis_server import administrator

BET = "/api/games/crash/bet"
CASHOUT = "/api/games/crash/cashout"
CURRENT = "/api/games/crash/debug/current"


@pytest.mark.parametrize(
    "body",
    [
        {"bet_amount": 100, "auto_cashout": 2.5},
        {"betAmount": 100, "autoCashout": 2.5},
        b'{"bet_amount": 100, "auto_cashout": 2.50}',
        b'{"bet_amount": 100, "auto_cashout": 250e-2}',
    ],
)
async def test_given_names_or_aliases_when_betting_then_the_round_has_the_target(
    client: Client, body: Any
) -> None:
    reply = await client.post(BET, body)

    assert reply.status == 200, reply.body
    game = reply.json
    assert set(game) == {"game_id", "commitment", "started_at_ms", "balance", "receipt"}
    assert (len(game["game_id"]), game["balance"]) == (32, 99_900)
    session = (await client.get(CURRENT)).json
    if session["available"]:  # else it has crashed by now
        assert session["session"] == {
            "game_id": game["game_id"],
            "bet_amount": 100,
            "auto_cashout": 2.5,
            "started_at_ms": game["started_at_ms"],
        }


@pytest.mark.parametrize("name", ["game_id", "gameId"])
async def test_given_a_round_when_cashing_out_then_it_is_told_how_it_ended(client: Client, name: str) -> None:
    game = (await client.post(BET, {"bet_amount": 100})).json

    reply = await client.post(CASHOUT, {name: game["game_id"]})

    assert reply.status == 200, reply.body
    end = reply.json
    assert (
        end["payout"] >= 100
        if end["outcome"] == "cashed"
        else (end["outcome"], end["payout"]) == ("crashed", 0)
    )
    assert end["profit"] == end["payout"] - 100
    assert end["balance"] == 99_900 + end["payout"] == (await client.get(WALLET)).json["tokens"]
    assert (end["crash_point"] is None) == (end["outcome"] == "cashed")
    assert (await client.get(CURRENT)).json == {"available": False, "session": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"bet_amount": 100, "auto_cashout": 2.505}', "auto_cashout"),
        (b'{"bet_amount": 100, "auto_cashout": 1}', "auto_cashout"),
        (b'{"bet_amount": 100, "auto_cashout": 1000.01}', "auto_cashout"),
        (b'{"bet_amount": 100, "autoCashout": -2}', "auto_cashout"),
        (b'{"bet_amount": 100, "auto_cashout": 1e400}', "auto_cashout"),
        (b'{"bet_amount": 100, "auto_cashout": 1e300}', "auto_cashout"),
        (b'{"bet_amount": 100, "auto_cashout": "2.5"}', "auto_cashout"),
        (b'{"bet_amount": 100, "auto_cashout": true}', "auto_cashout"),
        (b'{"bet_amount": 100.5}', "bet_amount"),
        (b'{"bet_amount": -100}', "bet_amount"),
        (b'{"bet_amount": 1e-37}', "bet_amount"),
        (b"{}", "bet_amount"),
        (b'{"bet_amount": 100, "betAmount": 100}', "bet_amount"),
    ],
)
async def test_given_a_bad_bet_when_betting_then_422_names_the_field(
    client: Client, body: bytes, field: str
) -> None:
    details = assert_is_error(await client.post(BET, body), 422, "VALIDATION_ERROR")["details"]

    assert details["field"] == field
    if field == "auto_cashout" and "allowed" in details:
        assert "1.01" in details["allowed"] or "number" in details["allowed"]


async def test_given_refused_bets_and_cash_outs_when_asked_then_each_has_its_status(client: Client) -> None:
    assert_is_error(await client.post(CASHOUT, {"game_id": "0" * 32}), 404, "CRASH_NO_ACTIVE_BET")
    assert_is_error(await client.post(CASHOUT, {"game_id": "nothing"}), 404, "CRASH_NO_ACTIVE_BET")
    body = assert_is_error(await client.post(BET, {"bet_amount": 9}), 422, "BET_OUT_OF_RANGE")
    assert (body["min"], body["max"], body["step"]) == (10, 1_000_000, 1)
    for uid in range(1, 60):  # one whose round does not crash at once
        bearer = token(uid)
        await client.post(BET, {"bet_amount": 100}, bearer=bearer)
        reply = await client.post(BET, {"bet_amount": 100}, bearer=bearer)
        if reply.status == 409:
            assert_is_error(reply, 409, "CRASH_BET_ACTIVE")
            return
    raise AssertionError("no round stayed open")


async def test_given_rounds_that_nobody_cashes_out_when_they_are_over_then_the_worker_settles_them(
    client: Client,
) -> None:
    games = {}
    for uid in range(1, 31):
        reply = await client.post(BET, {"bet_amount": 100, "auto_cashout": 1.01}, bearer=token(uid))
        games[uid] = reply.json["game_id"]

    for uid, game_id in games.items():

        async def over(bearer: str = token(uid)) -> bool:
            return not (await client.get(CURRENT, bearer=bearer)).json["available"]

        await until(over, "the round to be settled")
        end = (await client.post(CASHOUT, {"game_id": game_id}, bearer=token(uid))).json
        assert (end["outcome"], end["payout"], end["receipt"]) in {("auto", 101, None), ("crashed", 0, None)}


async def test_given_open_rounds_when_metrics_and_the_log_are_read_then_no_crash_point_is_there(
    redis_url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(redis_url, log_level="debug", master_keys=MASTER_KEYS)
    async with running(settings) as client:
        for uid in range(1, 31):
            await client.post(BET, {"bet_amount": 100}, bearer=token(uid))
        seen = (
            (await client.get("/metrics")).body + caplog.text.encode() + "".join(capfd.readouterr()).encode()
        )
        with administrator(redis_url) as db:
            installation = db.hget(keys.head(0), "installation").decode()
    for uid in range(1, 31):
        seed = MasterKeys.parse(MASTER_KEYS).seed(installation, uid, 1).reveal()
        block = fairness.block(seed, str(uid), 1, 0)
        point = model.crash_m100(int(block[:13], 16) / 2**52, 100_000)
        assert seed.encode() not in seen and block[:13].encode() not in seen
        if point >= 10_000:  # fewer digits stand anywhere by chance
            assert f"{point}".encode() not in seen and f"{point / 100}".encode() not in seen
