"""The pull on Redis as several round trips: read, decide in the application, write. Not atomic, and so not correct.

What can be done by increments is, so that no payment is lost; but two pulls of one player at the same time read the
same nonce and the same pity, and two pulls of anybody can take the last item of the stock.
"""

from collections.abc import Iterable
from typing import Any, Final

from bench.peers.on_redis import EVENTS, OnRedis, encode, player_key, stock_key
from bench.peers.rules import Draw, Event, Player
from croupier_schemas.economy import Tier
from croupier_schemas.gacha import GachaPullReply

_COUNTERS: Final = ("second", "second_calls", "minute", "minute_calls")
_FIELDS: Final = tuple(name for name in Player.__struct_fields__ if name not in _COUNTERS)
_NUMBERS: Final = _FIELDS[:7]


class RoundTrips(OnRedis):
    """Two round trips, and one more where a limited rarity was drawn. A player is a hash."""

    def add_player(self, pipe: Any, uid: int) -> None:
        player = self.rules.new_player(uid)
        pipe.hset(player_key(uid), mapping={name: getattr(player, name) for name in _FIELDS})

    async def tokens(self, uids: Iterable[int]) -> list[int]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for uid in uids:
                pipe.hget(player_key(uid), "tokens")
            return [int(each) for each in await pipe.execute()]

    async def pull(self, uid: int, tier: Tier, now_ms: int) -> GachaPullReply:
        rules = self.rules
        player = await self._read(uid, now_ms)
        day = player.day
        draw = rules.draw_counted(player, tier, now_ms)
        in_stock = draw.rarity not in rules.stock
        if not in_stock:
            in_stock = int(await self.redis.get(stock_key(draw.rarity))) > 0
        event = rules.deliver(uid, player, draw, in_stock=in_stock)
        entry = await self._write(player, draw, event, new_day=player.day != day)
        return rules.reply(event, entry, player.pulls, tier, player.commitment)

    async def _read(self, uid: int, now_ms: int) -> Player:
        """The player, the call being counted: the usual counters that end by themselves."""
        second, minute = f"calls:{uid}:{now_ms // 1_000}", f"calls:{uid}:{now_ms // 60_000}m"
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.incr(second)
            pipe.expire(second, 2)
            pipe.incr(minute)
            pipe.expire(minute, 120)
            pipe.hmget(player_key(uid), _FIELDS)
            second_calls, _, minute_calls, _, stored = await pipe.execute()
        tokens, day, pulls, nonce, *pity = (int(each) for each in stored[: len(_NUMBERS)])
        client_seed, *seed = stored[len(_NUMBERS) :]
        values = (*pity, 0, second_calls, 0, minute_calls, client_seed.decode(), *seed)
        return Player(tokens, day, pulls, nonce, *values)

    async def _write(self, player: Player, draw: Draw, event: Event, *, new_day: bool) -> str:
        """The effects, and the id of the event."""
        key = player_key(event.uid)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.hincrby(key, "tokens", -event.cost)
            pipe.hincrby(key, "nonce", 1)
            pity: dict[Any, Any] = {name: getattr(player, name) for name in _NUMBERS[4:]}
            if new_day:
                pipe.hset(key, mapping={"day": player.day, "pulls": 1, **pity})
            else:
                pipe.hincrby(key, "pulls", 1)
                pipe.hset(key, mapping=pity)
            if draw.rarity in self.rules.stock and event.downgraded_from is None:
                pipe.decr(stock_key(draw.rarity))
            pipe.xadd(EVENTS, {"e": encode(event)})
            entry: bytes = (await pipe.execute())[-1]
        return entry.decode()
