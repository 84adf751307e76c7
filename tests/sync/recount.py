"""What players' rounds come to, counted again from the events, with none of the code that projections use."""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import CRASH, RPS_PLAYED, SLOT_SPUN
from tests.sync.support import PARTITION, Casino

Sums = dict[str, Any]
_COLUMNS = "rounds, wins, losses, total_bet, total_win, biggest_win, last_played_at"


def round_of(event: Event) -> tuple[str, int, int] | None:
    """Game, bet and payout of the round that ended with this event; None where none did."""
    terms = msgspec.msgpack.decode(event.header.terms)
    match event.header.type:
        case "gacha.pulled":
            _banner, currency, cost, *_ = terms
            return "gacha", 0 if currency else cost, 0
        case "slot.spun":
            return "slot", terms[0], SLOT_SPUN.unpack(event.result).payout
        case "rps.played":
            return "rps", terms[0], RPS_PLAYED.unpack(event.result).payout
        case "crash.settled":
            crash = CRASH.unpack(event.image(keys.crash(PARTITION, event.header.uid)) or b"")
            return "crash", crash.settled_bet, crash.settled_payout
    return None


def recount(events: Iterable[Event]) -> dict[tuple[int, str], Sums]:
    """The rows of `game_stats`, by player and game."""
    rounds: dict[tuple[int, str], list[tuple[int, int, int]]] = defaultdict(list)
    for event in events:
        if played := round_of(event):
            game, bet, win = played
            rounds[event.header.uid, game].append((bet, win, event.ts_ms))
    return {
        place: {
            "rounds": len(played),
            "wins": sum(win > bet for bet, win, _ in played),
            "losses": sum(win < bet for bet, win, _ in played),
            "total_bet": sum(bet for bet, _, _ in played),
            "total_win": sum(win for _, win, _ in played),
            "biggest_win": max(win for _, win, _ in played),
            "last_played_at": datetime.datetime.fromtimestamp(
                max(ts_ms for *_, ts_ms in played) / 1000, datetime.UTC
            ),
        }
        for place, played in rounds.items()
    }


async def held_stats(casino: Casino) -> dict[tuple[int, str], Sums]:
    """The rows of `game_stats` as Postgres has them."""
    rows = await casino.connection.fetch(f"SELECT uid, game_type, {_COLUMNS} FROM game_stats")
    return {(row["uid"], row["game_type"]): dict(list(row.items())[2:]) for row in rows}
