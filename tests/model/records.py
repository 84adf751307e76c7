"""The binary records as events and Redis hold them, written out by hand: an independent check of the layouts."""

import struct
from collections.abc import Sequence

from tests.model.draws import PITIED, RARITIES, Draw, Progress
from tests.model.state import Crash, Round, Session

_VERSION = 1
_PLAYER = struct.Struct(">BBQQQIHQII32sB32sQB")
_GACHA = struct.Struct(">BIIIBIIII")
_DRAW = struct.Struct(">BBHBBQ")
_ROTATED = struct.Struct(">BII32sB32s64s")
_CRASH = struct.Struct(">B16sQIIIQQ16sQBIIQ")
_SETTLED = struct.Struct(">BQIIIQQ")
_SESSION = struct.Struct(">B16sQQQIQQ")
_OUTCOMES = ("", "cashed", "auto", "crashed")

PLAYER_BYTES, GACHA_BYTES = _PLAYER.size, _GACHA.size


def player(
    *, banned: bool, tokens: int, gems: int, excluded_until_ms: int, day: int, pulls: int, nonce: int,
    key: int, generation: int, commitment: str, client_seed: str, payout_max: int = 0, sessions: int = 0,
) -> bytes:  # fmt: skip
    """The durable part of a player's record."""
    return _PLAYER.pack(
        _VERSION, int(banned), tokens, gems, excluded_until_ms, day, pulls, nonce, key, generation,
        bytes.fromhex(commitment), len(client_seed), client_seed.encode(), payout_max, sessions,
    )  # fmt: skip


def gacha(progress: Progress) -> bytes:
    """A player's record on a banner."""
    return _GACHA.pack(
        _VERSION,
        *(progress.since[rarity] for rarity in PITIED),
        int(progress.guaranteed),
        *(progress.delivered[rarity] for rarity in RARITIES),
    )


def pulled(before: bytes, draws: Sequence[Draw]) -> bytes:
    """The result of a `gacha.pulled` event."""
    result = before
    for draw in draws:
        flags = draw.near_miss + 2 * draw.hard_pity + 4 * draw.guaranteed + 8 * (draw.stock_seen is not None)
        from_ = PITIED.index(draw.downgraded_from) + 1 if draw.downgraded_from else 0
        rarity = RARITIES.index(draw.rarity) + 1
        result += _DRAW.pack(_VERSION, rarity, draw.place, flags, from_, draw.stock_seen or 0)
    return result


def rotated(key: int, generation: int, commitment: str, client_seed: str, seed: str) -> bytes:
    """The result of a `fairness.rotated` event."""
    return _ROTATED.pack(
        _VERSION, key, generation, bytes.fromhex(commitment),
        len(client_seed), client_seed.encode(), seed.encode(),
    )  # fmt: skip


def crash(crash: Crash) -> bytes:
    """The durable part of a player's crash record."""
    open_, settled = crash.open, crash.settled
    bet = (
        (open_.game, open_.bet, open_.target, open_.cap, open_.growth, open_.started_at_ms, open_.nonce)
        if open_
        else (b"", 0, 0, 0, 0, 0, 0)
    )
    end = (
        (
            settled.game, settled.bet, _OUTCOMES.index(settled.outcome), settled.paid, settled.crash, settled.payout,
        )
        if settled
        else (b"", 0, 0, 0, 0, 0)
    )  # fmt: skip
    return _CRASH.pack(_VERSION, *bet, *end)


def settled(round_: Round, now_ms: int) -> bytes:
    """The result of a `crash.settled` event."""
    return _SETTLED.pack(
        _VERSION, max(0, now_ms - round_.started_at_ms), round_.target, round_.cap, round_.growth,
        round_.started_at_ms, round_.nonce,
    )  # fmt: skip


def session(session: Session) -> bytes:
    """A session's record."""
    return _SESSION.pack(
        _VERSION, session.id, session.started_at_ms, session.last_at_ms, session.ended_at_ms,
        session.rounds, session.bet, session.win,
    )  # fmt: skip
