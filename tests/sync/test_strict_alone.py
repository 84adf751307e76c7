"""Strict commands on a server without Postgres: acknowledged when Redis' own log of writes has them on disk."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from croupier.command import Caller
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.op_id import OpIds
from croupier.permissions import USER
from croupier.sessions.start import START
from croupier.settings import Settings
from croupier.standalone import open_without_postgres
from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from croupier_schemas.session import SessionStart
from tests.redis_server import administrator, started_valkey
from tests.sync.support import MASTER_KEYS, generous_economy, until

_SETTINGS = Settings(master_keys=MASTER_KEYS, durability="postgres", durability_timeout_seconds=5.0)
_op_ids = OpIds(lambda: round(time.time() * 1000))


class Alone:
    """A server without Postgres, and a player who begins a session."""

    def __init__(self, engine: Engine, control: redis.Redis) -> None:
        self.engine = engine
        self.control = control

    async def start(self) -> bool:
        """Strictly; whether the session is new."""
        caller = Caller(1, "VIP", "user", _op_ids.new())
        return (await self.engine.execute(START, caller, SessionStart("gacha"))).reply.receipt is not None

    async def timed_out(self) -> None:
        with pytest.raises(CroupierError, match="DURABILITY_TIMEOUT"):
            await self.start()


async def _open(valkey: Valkey) -> Engine:
    transport = Transport(valkey.url)
    await transport.open()
    engine = Engine(transport, _SETTINGS)
    await open_without_postgres(transport, engine.scripts, generous_economy())
    return engine


@pytest.fixture
async def alone(short_path: Path) -> AsyncIterator[Alone]:
    with started_valkey(short_path) as valkey, administrator(valkey.url) as control:
        engine = await _open(valkey)
        yield Alone(engine, control)
        await engine.transport.close()


async def test_given_a_log_of_writes_when_asked_twice_then_both_are_answered(alone: Alone) -> None:
    assert [await alone.start(), await alone.start()] == [True, False]


async def test_given_a_redis_without_a_log_when_asked_then_it_is_answered_all_the_same(
    short_path: Path,
) -> None:
    with started_valkey(short_path, appendonly=False) as valkey, administrator(valkey.url) as control:
        engine = await _open(valkey)
        assert await Alone(engine, control).start()
        await engine.transport.close()


async def test_given_the_disk_cannot_be_waited_for_when_asked_then_neither_first_nor_second_is_acknowledged(
    alone: Alone,
) -> None:
    """The second finds the session open, and says so only of one that stays open."""
    alone.control.acl_setuser(
        USER, enabled=True, commands=["-waitaof"], reset_keys=False, reset_channels=False
    )
    await alone.timed_out()
    await alone.timed_out()
    alone.control.acl_setuser(
        USER, enabled=True, commands=["+waitaof"], reset_keys=False, reset_channels=False
    )
    assert not await alone.start()


async def test_given_the_wait_for_the_disk_is_broken_off_when_asked_then_it_is_not_acknowledged(
    alone: Alone,
) -> None:
    alone.control.config_set("appendfsync", "no")  # so that it waits
    (number,) = (int(each["id"]) for each in alone.control.client_list() if each["user"] == USER)
    waiting = asyncio.create_task(alone.timed_out())

    async def broken_off() -> bool:
        return bool(alone.control.client_unblock(number, error=True))

    await until(broken_off, "the wait for the disk")
    await waiting
