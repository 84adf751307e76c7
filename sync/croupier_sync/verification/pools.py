"""Stock: what was put into each pool, what was issued from it, and that every draw saw what the draw before left."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from croupier.gacha.pulled import Pull
from croupier.gacha.table import CompiledEconomy
from croupier_schemas import keys
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Change, Event
from croupier_schemas.records import DRAW_STOCK_SEEN
from croupier_sync.verification.findings import Findings

_ABOVE_COMMON: Final = 3


class Pool(NamedTuple):
    """A pool by banner and rarity."""

    banner: str
    rarity: str


@dataclass
class Stock:
    """The course of a pool, in items."""

    initial: int
    added: int = 0
    issued: int = 0

    @property
    def left(self) -> int:
        return self.initial + self.added - self.issued


class Pools:
    """Follows the pools of a partition."""

    def __init__(self, partition: int, findings: Findings) -> None:
        self._partition = partition
        self._findings = findings
        self._stock: dict[Pool, Stock] = {}
        self._forgotten = False

    def forget(self) -> None:
        """Events are missing: the course of each pool begins anew, with what the next event finds in it."""
        self._stock.clear()
        self._forgotten = True

    def check(self, event: Event, economy: CompiledEconomy | None) -> None:
        """The next event of any type. Raises ValueError and LookupError where it cannot be read."""
        match event.header.type:
            case "economy.changed":
                for change in self._images(event):
                    self._begin(event, change)
            case "pool.added":
                self._add(event)
            case "gacha.pulled" if economy is not None:
                self._draw(event, economy)

    def held(self) -> Iterator[tuple[str, str, Stock]]:
        """Key and field of each pool, and its course to the end."""
        for pool, stock in self._stock.items():
            yield keys.pool(self._partition, pool.banner), pool.rarity, stock

    def _begin(self, event: Event, change: Change) -> None:
        pool = Pool(change.key.removeprefix(keys.pool(self._partition, "")), change.field)
        if pool in self._stock:
            self._problem(event, pool, "is made a second time")
        self._stock[pool] = Stock(int(change.value or b""))

    def _add(self, event: Event) -> None:
        banner, rarity, amount, _reason = msgspec.msgpack.decode(event.header.terms)
        pool = Pool(banner, rarity)
        if self._forgotten and pool not in self._stock:
            self._stock[pool] = Stock(
                sum(int(change.value or b"") for change in self._images(event)) - amount
            )
        self._stock[pool].added += amount
        self._check_images(event, {pool})

    def _draw(self, event: Event, economy: CompiledEconomy) -> None:
        pull = Pull.of_event(event)
        limits, touched = economy.banners[pull.terms.banner].banner.stock, set()
        for number, draw in enumerate(pull.draws, start=1):
            drawn = draw.downgraded_from or draw.rarity
            limited = drawn <= _ABOVE_COMMON and getattr(limits, RARITIES[drawn - 1]) is not None
            pool = Pool(pull.terms.banner, RARITIES[drawn - 1])
            if limited != bool(draw.flags & DRAW_STOCK_SEEN):
                self._problem(event, pool, f"draw {number} did {'not ' if limited else ''}look at its stock")
            if not limited:
                continue
            if self._forgotten and pool not in self._stock:
                self._stock[pool] = Stock(draw.stock)
            stock = self._stock[pool]
            if draw.stock != stock.left:
                self._problem(
                    event, pool, f"draw {number} saw a stock of {draw.stock}, and {stock.left} were left"
                )
            if bool(draw.downgraded_from) != (draw.stock == 0):
                self._problem(event, pool, f"draw {number} saw a stock of {draw.stock}, and was "
                              f"{'' if draw.downgraded_from else 'not '}downgraded")  # fmt: skip
            if not draw.downgraded_from:
                stock.issued += 1
                touched.add(pool)
        self._check_images(event, touched)

    def _check_images(self, event: Event, touched: set[Pool]) -> None:
        """The event brings the new stock of the pools that it added to or issued from, and of no others."""
        images = {(change.key, change.field): change.value for change in self._images(event)}
        expected = {
            (keys.pool(self._partition, pool.banner), pool.rarity): str(self._stock[pool].left).encode()
            for pool in touched
        }
        if images != expected:
            self._findings.add(
                "pools", f"its after-images are {images}, and by its course {expected}", event.id
            )

    def _images(self, event: Event) -> list[Change]:
        return [change for change in event.changes if change.key.startswith(keys.pool(self._partition, ""))]

    def _problem(self, event: Event, pool: Pool, what: str) -> None:
        self._findings.add("pools", f"pool {pool.banner} {pool.rarity}: {what}", event.id)
