"""A player's state for operators."""

from croupier_schemas import keys
from croupier_schemas.records import PLAYER
from tests.http.console import admin, open_house
from tests.http.support import assert_is_error, token
from tests.sync.support import PARTITION

_BET = {"bet_amount": 100}


async def test_given_a_player_when_looked_up_then_the_records_are_those_in_redis_and_no_secret_is_shown(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        pulls = [await house.pull(7, 10) for _ in range(2)]
        assert (await house.client.post("/api/games/crash/bet", _BET, bearer=token(7))).status == 200
        assert (
            await house.client.post("/api/games/session/start", {"game_type": "rps"}, bearer=token(7))
        ).status == 200
        raw = await house.casino.transport.call("GET", keys.player(PARTITION, 7))

        reply = await house.client.get("/api/admin/players/7", bearer=admin())

    assert isinstance(raw, bytes)
    held = PLAYER.unpack(raw)
    records = {
        (record["kind"], record["name"]): {field["field"]: field["value"] for field in record["fields"]}
        for record in reply.json["records"]
    }
    assert set(records) == {("player", ""), ("gacha", "standard"), ("crash", ""), ("session", "rps")}
    player = records["player", ""]
    assert (player["tokens"], player["gems"], player["nonce"]) == (held.tokens, held.gems, held.nonce)
    assert player["commitment"] == held.commitment.hex() == pulls[0]["receipt"]["commitment"]
    assert player["client_seed"] == "7"
    assert sum(records["gacha", "standard"][name] for name in ("legendary", "epic", "rare", "common")) == 20
    assert records["crash", ""]["bet"] == 100
    assert held.seeded == 1 and any(held.inner_pad) and any(held.outer_pad)
    for secret in (held.inner_pad, held.outer_pad):
        assert secret.hex() not in reply.body.decode()
    assert (player["inner_pad"], player["outer_pad"], player["seeded"]) == ("present", "present", "present")
    assert player["rate_size"] == "present"


async def test_given_no_such_player_when_looked_up_then_404(redis_url: str, database_url: str) -> None:
    async with open_house(redis_url, database_url) as house:
        reply = await house.client.get("/api/admin/players/8", bearer=admin())
        assert_is_error(reply, 404, "PLAYER_NOT_FOUND")
        for user in ("0", "x", str(2**53)):
            reply = await house.client.get(f"/api/admin/players/{user}", bearer=admin())
            assert_is_error(reply, 422, "VALIDATION_ERROR")
