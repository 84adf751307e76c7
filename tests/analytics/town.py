"""A small casino that was played in for 40 days: its events, as the log has them, and its economies.

Who comes on which day, what they report and what they buy is fixed; the draws follow from seeds.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

import croupier_lua
from croupier.actions.record import RECORD
from croupier.command import SYSTEM_ROLE, Caller
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.settle import SETTLE
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.slot.spin import SPIN
from croupier_schemas.actions import ActionsRecord
from croupier_schemas.crash import CrashBet, CrashCashout, CrashSettle
from croupier_schemas.economy import Economy
from croupier_schemas.events import Event, EventHeader, EventId
from croupier_schemas.gacha import GachaPull
from croupier_schemas.messages import BOUGHT, ShopBought
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.rps import RpsPlay
from croupier_schemas.slot import SlotSpin
from tests.commands.economies import ITEMS, banner, economy
from tests.commands.world import World, at

DAYS: Final = 40
FIRST_DAY_MS: Final = at("2026-02-01T00:00:00+09:00")
DAY_MS: Final = 86_400_000
NOW_MS: Final = FIRST_DAY_MS + (DAYS - 1) * DAY_MS + 20 * 3_600_000
"""The evening of the last day, in the zone of the daily limits."""

_FEATURED = {
    **ITEMS,
    "Epic": [{"id": "dice"}, {"id": "ace", "weight": 2, "featured": True}, {"id": "king", "featured": True}],
}
_BANNERS: Final = {
    "main": banner(
        cost_tokens={"one": 100, "ten": 900},
        pity={
            "Legendary": {"hard": 30, "soft": {"from_draw": 20, "step_ppm": 50_000}},
            "Epic": {"hard": 8},
        },
        rate_up="Epic",
        stock={"Rare": 500},
        items=_FEATURED,
    ),
    "plain": banner(cost_tokens={"one": 50, "ten": 500}),
}
_AMPLE: Final[dict[str, Any]] = {"initial_tokens": 10**9, "initial_gems": 10**6}
FIRST: Final[Economy] = economy(_BANNERS, **_AMPLE)
SECOND: Final[Economy] = economy(
    {
        **_BANNERS,
        "plain": banner(weights_ppm={"Legendary": 0, "Epic": 0, "Rare": 400_000, "Common": 600_000}),
    },
    rps={"win_percent": 180},
    **_AMPLE,
)
ECONOMIES: Final = (FIRST, SECOND)


class Played(NamedTuple):
    """The log, in order."""

    events: list[Event]


def play(redis_url: str) -> Played:
    """Play the 40 days on an empty Redis."""
    return asyncio.run(_play(redis_url))


async def _play(redis_url: str) -> Played:
    world = await World.of(redis_url, FIRST)
    try:
        town = _Town(world)
        for day in range(DAYS):
            if day == DAYS - 4:
                await world.push(SECOND)
            await town.day(day)
        return Played([*await world.events(), *town.purchases])
    finally:
        await world.close()


class _Town:
    def __init__(self, world: World) -> None:
        self.purchases: list[Event] = []
        self._world = world
        self._chance = Random(11)
        self._op_ids = OpIds(world.clock)

    async def day(self, day: int) -> None:
        """Those who come on this day, one after the other, from just after midnight on."""
        self._world.clock.now_ms = FIRST_DAY_MS + day * DAY_MS + 1_000
        for uid in range(1, 25):
            if _comes(uid, day):
                await self._visit(uid, day)
        if day % 5 == 0 and day > 0:  # an admin's gift, of which the player knows nothing
            gift = RewardsDistribute(1 + day % 24, "TOKENS", 50, "a gift", f"gift-{day}")
            with suppress(CroupierError):  # not everybody is there yet
                await self._world.engine.execute(DISTRIBUTE, self._caller(999, role="admin"), gift)

    async def _visit(self, uid: int, day: int) -> None:
        chance = self._chance
        for _ in range(1 + (day >= DAYS - 7) * 2):
            banner_name = chance.choice(["main", "main", "plain"])
            await self._give(uid, GachaPull(10, banner_name))
        await self._give(uid, SlotSpin(100 * chance.randint(1, 9)))
        await self._give(uid, RpsPlay("ROCK", chance.choice([0, 7, 100])))
        bet = await self._give(uid, CrashBet(chance.choice([100, 333])))
        self._world.clock.now_ms += chance.choice([0, 5_000, 200_000])
        if chance.random() < 0.5:
            await self._give(uid, CrashCashout(bet.game_id))
        else:  # at midnight the system settles what nobody cashed out, after the day on which it was bet
            self._world.clock.now_ms += 1_000_000
            await self._world.engine.execute(
                SETTLE, self._caller(uid, role=SYSTEM_ROLE), CrashSettle(bet.game_id)
            )
        if day >= DAYS - 5:
            await self._shop(uid, day)

    async def _shop(self, uid: int, day: int) -> None:
        """Some only look, some come in by a link and click without opening, some buy, and some are refused."""
        if uid % 6 == 5:
            await self._give(uid, ActionsRecord("buy_click", {"sku": "small"}))
        if uid % 2 == 0 or uid % 6 == 5:
            await self._give(uid, ActionsRecord("open_shop"))
        if uid % 4 == 0 or uid % 6 == 2:
            await self._give(uid, ActionsRecord("buy_click", {"sku": "small"}))
        if uid % 4 == 0 or uid == 7:
            self._world.clock.now_ms += 1_000
            self.purchases.append(self._purchase(uid, granted=0 if uid == 12 else 500))

    async def _give(self, uid: int, request: msgspec.Struct) -> Any:
        command: Any = _COMMANDS[type(request)]
        self._world.clock.now_ms += 1_001
        return (await self._world.engine.execute(command, self._caller(uid), request)).reply

    def _caller(self, uid: int, role: str = "user") -> Caller:
        return Caller(uid, "" if role == SYSTEM_ROLE else "VIP", role, self._op_ids.new())

    def _purchase(self, uid: int, granted: int) -> Event:
        """An event of the shop, which writes its own in another epoch here so that it is in nobody's way."""
        number = len(self.purchases)
        terms = ShopBought("small", 499, "USD", granted, f"charge-{number}", f"code-{number}")
        header = EventHeader(
            BOUGHT, uid, "VIP", self._op_ids.new(), "", b"", bytes(32), croupier_lua.RULES,
            msgspec.Raw(msgspec.msgpack.encode(terms)),
        )  # fmt: skip
        return Event(EventId(0, 2, number), self._world.clock.now_ms, False, header, b"", ())


_COMMANDS: Final[dict[type[msgspec.Struct], object]] = {
    GachaPull: PULL, SlotSpin: SPIN, RpsPlay: PLAY, CrashBet: BET, CrashCashout: CASHOUT, ActionsRecord: RECORD,
}  # fmt: skip


def _comes(uid: int, day: int) -> bool:
    """Each player has a first day, comes back the day after or not, a week after or not, and now and then."""
    first = (uid * 5) % (DAYS - 2)
    after = day - first
    if after < 0:
        return False
    return (
        after == 0 or (after == 1 and uid % 2 == 0) or (after in (7, 30) and uid % 3 != 0) or day >= DAYS - 5
    )


def of_type(events: Sequence[Event], *types: str) -> list[Event]:
    """The events of these types."""
    return [event for event in events if event.header.type in types]
