"""Reports of clients in Postgres: they are in the log, leave the books as they were, and operators can read them."""

import asyncpg

from croupier.actions.record import RECORD
from croupier.admin.events import events
from croupier.command import Caller
from croupier.query import Sources
from croupier.rps.play import PLAY
from croupier_schemas.actions import ActionsRecord
from croupier_schemas.admin import EventsQuery
from croupier_schemas.rps import RpsPlay
from tests.sync.play import Players
from tests.sync.support import Casino
from tests.sync.verified import verdict

ADMIN = Caller(1, "STANDARD", "admin", b"")
DATA: dict[str, object] = {"sku": "small", "seen": [1, {"of": None}]}


async def test_given_reports_of_a_new_player_when_followed_then_the_books_are_sound_and_operators_see_them(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    async with casino.daemon():
        await casino.until_open()
        players = Players(casino, pool)
        await players.give(RECORD, 9, ActionsRecord("open_shop"))
        await players.give(PLAY, 9, RpsPlay("ROCK", 100))
        await players.give(RECORD, 9, ActionsRecord("buy_click", DATA))
        await casino.until_caught_up()

    found = await verdict(casino)
    assert found.sound, found.problems
    ledger = await casino.connection.fetch("SELECT type FROM wallet_ledger WHERE uid = 9 ORDER BY seq, line")
    assert [row["type"] for row in ledger][:2] == ["player.created", "player.created"]
    assert "actions.recorded" not in {row["type"] for row in ledger}
    listed = await events(Sources(casino.engine, pool), ADMIN, EventsQuery(type="actions.recorded"))
    assert [item.result for item in listed.items] == [
        {"action_type": "buy_click", "action_data": DATA},
        {"action_type": "open_shop", "action_data": {}},
    ]
