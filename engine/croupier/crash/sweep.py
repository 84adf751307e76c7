"""Settles the crash rounds of one partition that are over and that nobody has cashed out.

When a round is over follows from its crash point, which is stored and logged nowhere: it is worked out here from the
player's seeds, as the settlement does, and kept in this process' memory until then. It only says when to run
`crash.settle`, whose script decides.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from croupier.command import SYSTEM_ROLE, Caller
from croupier.crash.rounds import crash_point_m100, duration_ms
from croupier.crash.settle import SETTLE
from croupier.errors import CroupierError
from croupier.fairness.rolls import rolls
from croupier.op_id import OpIds
from croupier.settings import SettingsError
from croupier_schemas import keys
from croupier_schemas.crash import CrashSettle
from croupier_schemas.records import CRASH, PLAYER, Crash

if TYPE_CHECKING:
    from croupier.engine import Engine

log = structlog.get_logger(__name__)

_OVERLAP_MS: Final = 1_000
"""Bets are looked for from so long before the last look on, because the clock that stamps them is another one."""
_TICKS_BETWEEN_FULL_LOOKS: Final = 100
"""Now and then all open bets are looked at, should one have been missed; with 20 ticks a second, every 5 s."""
_CONCURRENCY: Final = 32
_RECORDS_PER_READ: Final = 500
_TICKS_PAUSED_MAX: Final = 200
"""A round that cannot be settled is tried again after 2, 4, 8 ticks, and so on up to this."""


@dataclass(repr=False)
class _Round:
    """An open round. `ends_at_ms` tells of its crash point, and so must be shown nowhere."""

    game: bytes
    started_at_ms: int
    ends_at_ms: int
    failures: int = 0
    again_at_tick: int = 0


@dataclass(repr=False)
class OpenBets:
    """The open bets of a partition, as far as this process has seen them. A new one looks at all of them first."""

    engine: "Engine"
    partition: int
    _rounds: dict[int, _Round] = field(default_factory=dict)
    _looked_at_ms: int | None = None
    _ticks: int = 0

    def __post_init__(self) -> None:
        self._op_ids = OpIds(self.engine.now_ms)
        self._turns = asyncio.Semaphore(_CONCURRENCY)

    async def tick(self, now_ms: int) -> None:
        """Notice new bets, and settle the rounds that are over by `now_ms`, Unix time in ms by the server's clock.

        What fails for one round is logged and tried again at a later tick. Raises CroupierError NOT_READY where Redis
        or the partition cannot be asked at all.
        """
        noticed = await self._noticed(now_ms)
        # Those that are over are looked at again: most were cashed out meanwhile.
        await self._look({*noticed, *self._over(now_ms)})
        await asyncio.gather(*(self._settle(uid, each) for uid, each in self._over(now_ms).items()))

    def _over(self, now_ms: int) -> dict[int, _Round]:
        """The rounds to be settled now, by player."""
        return {
            uid: each
            for uid, each in self._rounds.items()
            if each.ends_at_ms <= now_ms and each.again_at_tick <= self._ticks
        }

    async def _noticed(self, now_ms: int) -> list[int]:
        """The players who have placed a bet since the last look, and perhaps some more."""
        looked_at_ms, first = self._looked_at_ms, "-inf"
        full = looked_at_ms is None or self._ticks % _TICKS_BETWEEN_FULL_LOOKS == 0
        if looked_at_ms is not None and not full:
            # A clock that was set back stamps bets with times before the last look.
            first = str(min(looked_at_ms, now_ms) - _OVERLAP_MS)
        index: Any = await self.engine.views.read(
            "ZRANGEBYSCORE", keys.crash_open(self.partition), first, "+inf", "WITHSCORES"
        )
        self._looked_at_ms, self._ticks = now_ms, self._ticks + 1
        noticed = []
        for member, score in zip(index[::2], index[1::2], strict=True):
            known = self._rounds.get(uid := int(member))
            # Two bets of one player in the same millisecond look alike, but to a full look.
            if full or known is None or known.started_at_ms != int(score):
                noticed.append(uid)
        return noticed

    async def _look(self, players: set[int]) -> None:
        """Bring what is known of these players' rounds up to date."""
        uids = sorted(players)
        for start in range(0, len(uids), _RECORDS_PER_READ):
            some = uids[start : start + _RECORDS_PER_READ]
            names = [keys.crash(self.partition, uid) for uid in some]
            names += [keys.player(self.partition, uid) for uid in some]
            installation = (await self.engine.views.believed(self.partition)).installation
            records: Any = await self.engine.views.read("MGET", *names)
            for uid, crash, player in zip(some, records[: len(some)], records[len(some) :], strict=True):
                try:
                    self._know(uid, installation, crash, player)
                except ValueError as error:  # a record of another layout must not hold up the others
                    log.error("cannot read an open bet", uid=uid, error=str(error))

    def _know(self, uid: int, installation: str, record: bytes | None, player: bytes | None) -> None:
        crash = CRASH.unpack(record) if record else None
        if crash is None or not crash.bet or player is None:
            self._rounds.pop(uid, None)
            return
        known = self._rounds.get(uid)
        if known is None or known.game != crash.game:
            ends_at_ms = crash.started_at_ms + self._duration_ms(uid, installation, crash, player)
            self._rounds[uid] = _Round(crash.game, crash.started_at_ms, ends_at_ms)

    def _duration_ms(self, uid: int, installation: str, crash: Crash, record: bytes) -> int:
        """How long the round lasts; at most so long, where the player's seed cannot be had."""
        player = PLAYER.unpack(record)
        try:
            seed = self.engine.master_keys.seed(installation, uid, player.seed_generation, player.seed_key)
        except SettingsError as error:
            log.error("cannot tell when a round ends", uid=uid, error=str(error))
            point = crash.target_m100
        else:
            client_seed = player.client_seed[: player.client_seed_length].decode()
            u = rolls(seed.reveal(), client_seed, crash.nonce, 1)[0]
            point = crash_point_m100(u, crash.cap_m100)
        return duration_ms(point, crash.target_m100, crash.cap_m100, crash.growth_ppm)

    async def _settle(self, uid: int, each: _Round) -> None:
        caller = Caller(uid, "", SYSTEM_ROLE, self._op_ids.new())
        try:
            async with self._turns:
                outcome = await self.engine.execute(SETTLE, caller, CrashSettle(each.game.hex()))
        except CroupierError as error:
            if error.code == "CRASH_NO_ACTIVE_BET":  # settled since we looked
                self._forget(uid, each)
                return
            each.failures += 1
            each.again_at_tick = self._ticks + min(2**each.failures, _TICKS_PAUSED_MAX)
            log.warning("a round could not be settled", uid=uid, game_id=each.game.hex(), code=error.code)
            return
        if outcome.reply.settled:  # else the server's clock is behind ours, and the next tick will do
            self._forget(uid, each)

    def _forget(self, uid: int, each: _Round) -> None:
        if self._rounds.get(uid) is each:
            del self._rounds[uid]
