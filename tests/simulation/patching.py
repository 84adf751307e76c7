"""Puts the product into the simulated world: its clocks, its chance, and what it calls Postgres."""

import functools
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from random import Random
from types import ModuleType
from typing import Any, Final

import asyncpg
import structlog

import croupier_sync.main
from croupier.economy import load_economy
from croupier.scripts import Scripts
from croupier_schemas.economy import Economy
from croupier_sync.limits import Limits
from tests.simulation.loop import VirtualLoop
from tests.simulation.postgres.server import UNIX_S_AT_ZERO, ModelPostgres

PRODUCT: Final = ("croupier", "croupier_http", "croupier_schemas", "croupier_sync")

# A course takes seconds, and so what the product does every now and then, and what it gives up after, is shorter in it.
SHORTER: Final[Mapping[str, object]] = {
    "croupier.op_id.OP_LIFETIME_MS": 5_000,
    "croupier.room.INTERVAL_S": 2.0,
    "croupier.sweeper._TICK_S": 0.2,
    "croupier.sweeper._TICKS_PER_SECOND": 5,
    "croupier.crash.sweep._TICKS_BETWEEN_FULL_LOOKS": 5,
    "croupier_sync.limits.ALARM_POLL_S": 0.3,
    "croupier_sync.limits.READ_PAUSE_MAX_S": 0.2,
    "croupier_sync.limits.RETRY_PAUSE_MAX_S": 0.4,
}


class Instead:
    """A module with some of its functions replaced."""

    def __init__(self, module: ModuleType, **functions: Callable[..., Any]) -> None:
        self._module = module
        vars(self).update(functions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@functools.cache
def scripts() -> Scripts:
    """They never change, and reading them takes longer than many a course."""
    return Scripts()


@contextmanager
def product_in(
    loop: VirtualLoop, chance: Random, postgres: ModelPostgres, economy: Economy, limits: Limits,
    say: Callable[..., None] | None,
) -> Iterator[None]:  # fmt: skip
    """While the block runs, the product's modules live by the loop's clock and by `chance`, and `postgres` is theirs.

    A daemon that starts has this economy and these limits.

    `say` is told what the product logs; None: nobody.
    """
    replaced = [
        (module, name, value) for module, name, value in _places(_substitutes(loop, chance, economy, limits))
    ]
    replaced += [
        (asyncpg, "connect", postgres.connect),
        (asyncpg, "create_pool", postgres.create_pool),
        (croupier_sync.main, "check", _is_migrated),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    configured = structlog.get_config()
    for module, name, value in replaced:
        setattr(module, name, value)
    _log_to(say)
    try:
        yield
    finally:
        structlog.configure(**configured)
        for module, name, value in before:
            setattr(module, name, value)


async def _is_migrated(_: object) -> None:
    """The model Postgres is born with its tables."""


def _substitutes(
    loop: VirtualLoop, chance: Random, economy: Economy, limits: Limits
) -> list[tuple[object, object]]:
    """What stands in the product's modules, and what is to stand there instead."""
    virtual = Instead(
        time,
        monotonic=loop.time,
        monotonic_ns=lambda: int(loop.now_s * 1e9),
        time=lambda: UNIX_S_AT_ZERO + loop.now_s,
    )
    drawn = Instead(
        secrets, token_bytes=chance.randbytes, token_hex=lambda size=32: chance.randbytes(size).hex()
    )
    return [
        (time, virtual),
        (time.monotonic, loop.time),
        (random, chance),
        (secrets, drawn),
        (os, Instead(os, urandom=chance.randbytes)),
        (Scripts, scripts),
        (Limits, lambda **_: limits),
        (load_economy, lambda _: economy),
    ]


@functools.cache
def _modules() -> list[tuple[str, ModuleType]]:
    return [(name, module) for name, module in sys.modules.items() if name.partition(".")[0] in PRODUCT]


@functools.cache
def _found() -> dict[int, list[tuple[ModuleType, str]]]:
    """Where the product's modules hold each of the objects, by its id; and those of `SHORTER` by their names."""
    wanted = {id(each) for each in (time, time.monotonic, random, secrets, os, Scripts, Limits, load_economy)}
    found: dict[int, list[tuple[ModuleType, str]]] = {}
    for module_name, module in _modules():
        for name, value in vars(module).items():
            if id(value) in wanted and getattr(value, "__module__", "") != module_name:
                found.setdefault(id(value), []).append((module, name))
    return found


@functools.cache
def _shorter() -> list[tuple[ModuleType, str, object]]:
    """Constants are imported by name, so each stands in several modules."""
    found = []
    for path, value in SHORTER.items():
        home, _, constant = path.rpartition(".")
        was = getattr(sys.modules[home], constant)
        places = [
            module for _, module in _modules() if constant in vars(module) and vars(module)[constant] == was
        ]
        found += [(module, constant, value) for module in places]
    return found


def _places(substitutes: list[tuple[object, object]]) -> Iterator[tuple[ModuleType, str, object]]:
    for was, value in substitutes:
        for module, name in _found().get(id(was), ()):
            yield module, name, value
    yield from _shorter()


def _log_to(say: Callable[..., None] | None) -> None:
    def told(_logger: Any, level: str, event: MutableMapping[str, Any]) -> Any:
        if say is not None:
            say("log", level, **event)
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.processors.format_exc_info, told],
        wrapper_class=structlog.make_filtering_bound_logger(10 if say is not None else 50),
        cache_logger_on_first_use=False,
    )
