"""The pull on Postgres: the player's row is locked, and everything happens in one transaction.

`RowLocks` decides in the application, in four round trips, and a fifth one where a limited rarity was drawn; `Function`
does all of it in one round trip, in a function of the server. Both take what makes them faster: prepared statements,
one statement for all writes, no reset of connections between requests, stock taken as late as possible.
"""

from pathlib import Path
from typing import Any, Final

import asyncpg

from bench.peers.peer import Audit, Counts, Setup, audit
from bench.peers.rules import WRITTEN, Event, Player, Refused, Rules
from croupier_schemas.economy import Tier
from croupier_schemas.gacha import GachaPullReply

_COLUMNS: Final = Player.__struct_fields__
_EVENT: Final = Event.__struct_fields__
_READ: Final = f"SELECT {', '.join(_COLUMNS)} FROM players WHERE uid = $1 FOR UPDATE"
_TAKE: Final = (
    "UPDATE stock SET remaining = remaining - 1 WHERE rarity = $1 AND remaining > 0 RETURNING remaining"
)
_WRITE: Final = f"""
WITH written AS (
  UPDATE players SET {", ".join(f"{name} = ${i}" for i, name in enumerate(WRITTEN, 2))} WHERE uid = $1
)
INSERT INTO events ({", ".join(_EVENT)})
VALUES ($1, {", ".join(f"${i}" for i in range(len(WRITTEN) + 2, len(WRITTEN) + len(_EVENT) + 1))}) RETURNING id
"""
_PULL: Final = "SELECT * FROM pull($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"


async def _keep(_connection: Any) -> None:
    """What is done to a connection that comes back to the pool: nothing, because no pull leaves anything behind."""


class _OnPostgres:
    """The connections, the tables, and their audit."""

    def __init__(self, setup: Setup, rules: Rules) -> None:
        self.counts = Counts()
        self._setup = setup
        self._rules = rules

    async def open(self, players: int) -> None:
        self._pool = await asyncpg.create_pool(
            self._setup.url,
            min_size=self._setup.connections,
            max_size=self._setup.connections,
            reset=_keep,
            server_settings={"synchronous_commit": self._setup.synchronous_commit},
        )
        rules = self._rules
        async with self._pool.acquire() as connection:
            await connection.execute(Path(__file__).with_name("schema.sql").read_text("utf-8"))
            news = [(*_values(rules.new_player(uid)), uid) for uid in range(1, players + 1)]
            await connection.copy_records_to_table("players", records=news, columns=[*_COLUMNS, "uid"])
            await connection.copy_records_to_table("stock", records=list(rules.stock.items()))
            items = [
                (rarity, upto, item)
                for rarity, ids in enumerate(rules.items)
                for item, upto in zip(ids, rules.items_upto[rarity], strict=True)
            ]
            await connection.copy_records_to_table("items", records=items)
            await connection.execute("VACUUM ANALYZE players, stock, items, events")

    async def audit(self) -> Audit:
        async with self._pool.acquire() as connection:
            events = await connection.fetch("SELECT uid, nonce, rarity FROM events")
            balances = dict(await connection.fetch("SELECT uid, tokens FROM players"))
            stock = dict(await connection.fetch("SELECT rarity, remaining FROM stock"))
        return audit(self._rules, events, balances, stock)

    async def close(self) -> None:
        await self._pool.close()


class RowLocks(_OnPostgres):
    """One transaction that decides in the application."""

    async def pull(self, uid: int, tier: Tier, now_ms: int) -> GachaPullReply:
        async with self._pool.acquire() as connection:
            while True:
                try:
                    return await self._attempt(connection, uid, tier, now_ms)
                except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                    self.counts.retries += 1

    async def _attempt(self, connection: Any, uid: int, tier: Tier, now_ms: int) -> GachaPullReply:
        rules = self._rules
        async with connection.transaction():
            player = Player(*await connection.fetchrow(_READ, uid))
            draw = rules.draw(player, tier, now_ms)
            in_stock = draw.rarity not in rules.stock
            if not in_stock:
                in_stock = await connection.fetchval(_TAKE, draw.rarity) is not None
            event = rules.deliver(uid, player, draw, in_stock=in_stock)
            written, recorded = _values(player)[: len(WRITTEN)], _values(event)[1:]
            number = await connection.fetchval(_WRITE, uid, *written, *recorded)
        return rules.reply(event, str(number), player.pulls, tier, player.commitment)


class Function(_OnPostgres):
    """One call of a function that decides in the server; it is a transaction by itself."""

    async def open(self, players: int) -> None:
        await super().open(players)
        rules = self._rules
        limited, weights = list(rules.stock), [upto[-1] for upto in rules.items_upto]
        self._banner = (rules.upto_ppm, rules.near_miss_ppm, rules.hard, limited, weights)

    async def pull(self, uid: int, tier: Tier, now_ms: int) -> GachaPullReply:
        rules = self._rules
        limits = rules.economy.rate_limit
        rate = getattr(limits.games, tier)
        terms = (rules.cost, rules.daily_limit(tier), rate.per_second, rate.per_minute)
        while True:
            try:
                row = await self._pool.fetchrow(
                    _PULL, uid, now_ms, *terms, limits.mode == "enforce", *self._banner
                )
                break
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                self.counts.retries += 1
        refused, (number, *recorded), pulls, commitment = row
        if refused is not None:
            raise Refused(refused)
        return rules.reply(Event(*recorded), str(number), pulls, tier, commitment)


def _values(struct: Player | Event) -> tuple[Any, ...]:
    return tuple(getattr(struct, name) for name in struct.__struct_fields__)
