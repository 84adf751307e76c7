"""Players who go on playing while Redis stops, dies and comes back, and what the log says of each of their attempts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from croupier.transport import Transport
from croupier_sync.migrations import migrate
from tests.http.served import Server, serving
from tests.http.support import DEADLINE_S, PULL, Client, settings_for, token, until, until_ready
from tests.http.test_pages import samples
from tests.sync.support import Casino
from tests.transport.own_server import OwnServer

COMMAND_TIMEOUT_S: Final = 0.5
NOTHING_DONE: Final = frozenset({"NOT_READY", "EXPIRED", "OVERLOADED"})


@dataclass
class House:
    """A Redis that can be stopped, a Postgres, a daemon, and a server with one worker in a process of its own."""

    redis: OwnServer
    casino: Casino
    server: Server
    client: Client

    async def metrics(self) -> dict[str, float]:
        return await metrics_of(self.client)

    @contextlib.asynccontextmanager
    async def another_worker(self) -> AsyncIterator[Client]:
        """A worker that is started now."""
        settings = settings_for(self.redis.url, database_url=self.casino.database_url)
        async with serving(settings) as (_, client):
            yield client


async def metrics_of(client: Client) -> dict[str, float]:
    return samples((await client.get("/metrics", bearer="")).body)


async def until_breaker_is(client: Client, *states: int) -> None:
    """0 closed, 1 half-open, 2 open."""

    async def is_so() -> bool:
        return (await metrics_of(client))["redis_circuit_breaker_state"] in states

    await until(is_so, f"a breaker in one of the states {states}")


@contextlib.asynccontextmanager
async def open_house(
    directory: Path, database_url: str, environment: Mapping[str, str] | None = None, *, keeps: bool = False
) -> AsyncIterator[House]:
    """A house that is ready. `environment` is the worker's."""
    redis = OwnServer(directory, keeps=keeps)
    redis.start()
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    transport = Transport(redis.url)
    await transport.open()
    casino = Casino.of(redis.url, database_url, transport, connection)
    settings = settings_for(redis.url, database_url=database_url)
    variables = {"CROUPIER_COMMAND_TIMEOUT_SECONDS": str(COMMAND_TIMEOUT_S), **(environment or {})}
    try:
        async with casino.daemon(), serving(settings, **variables) as (server, client):
            await until_ready(client)
            yield House(redis, casino, server, client)
    finally:
        redis.kill()
        await transport.close()
        await connection.close()


@dataclass
class Attempt:
    """One request to pull. `code` is `ok`, or that of the error; `body` is empty until it is answered."""

    uid: int
    key: str
    op_id: bytes = b""
    code: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    replayed: bool = False
    answered_ms: float = 0.0


@dataclass
class Players:
    """So many players, each of whom pulls again and again; what failed is asked for again under the same key."""

    client: Client
    count: int
    attempts: list[Attempt] = field(default_factory=list)
    _stopping: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """They play until the block is left, and each has then got what was asked for last."""
        self._tasks = [asyncio.create_task(self._play(uid)) for uid in range(1, self.count + 1)]
        try:
            yield
        finally:
            self._stopping = True
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*self._tasks)

    async def _play(self, uid: int) -> None:
        bearer, pulls = token(uid), 0
        while not self._stopping:
            pulls += 1
            attempt = await self._pull(Attempt(uid, f"{uid}:{pulls}"), bearer)
            while attempt.code != "ok":
                await asyncio.sleep(0.02)
                attempt = await self._pull(Attempt(uid, attempt.key), bearer)

    async def _pull(self, attempt: Attempt, bearer: str) -> Attempt:
        self.attempts.append(attempt)
        reply = await self.client.post(PULL, {}, bearer=bearer, key=attempt.key)
        attempt.answered_ms = time.time() * 1000
        attempt.op_id = bytes.fromhex(reply.headers["Op-Id"])
        attempt.body = reply.json
        attempt.code = "ok" if reply.status == 200 else reply.json["code"]
        attempt.replayed = "Idempotent-Replayed" in reply.headers
        if reply.status == 503:
            assert int(reply.headers["Retry-After"]) >= 1
        return attempt

    def codes(self) -> list[str]:
        """Of the attempts that were answered, in the order in which they were made."""
        return [attempt.code for attempt in self.attempts if attempt.code]

    async def until_each_is_answered(self) -> None:
        """Wait until everything asked for so far is answered, whatever the answer."""
        asked = [attempt for attempt in self.attempts if not attempt.code]

        async def answered() -> bool:
            return all(attempt.code for attempt in asked)

        await until(answered, "an answer to each request")

    async def until_each_has_pulled(self) -> None:
        """Wait until each player has had a new pull, asked for from now on."""
        asked_before = len(self.attempts)

        async def pulled() -> bool:
            made = {attempt.uid for attempt in self.attempts[asked_before:] if attempt.code == "ok"}
            return len(made) == self.count

        await until(pulled, "a pull of each player")


async def require_answers_were_true(players: Players, casino: Casino, resumed_ms: float) -> None:
    """Compare what each attempt was answered with what the log has of it, all of which Postgres has by now.

    `resumed_ms` is when Redis went on. Raises AssertionError unless:

    - an attempt that was answered 200 is one event, its own, of its player, or it repeats an earlier attempt's event;
    - one that was told that nothing was done is none;
    - one whose outcome was unknown is one event or none; and none that came after Redis went on, when the answer had
      been given before: what lies in a socket too long does not run;
    - each key was pulled for once, however often it was asked for.
    """
    rows = await casino.connection.fetch(
        "SELECT partition, epoch, seq, op_id, uid, ts_ms, idempotency_key FROM events WHERE type = 'gacha.pulled'"
    )
    by_op = {row["op_id"]: row for row in rows}
    by_key = {row["idempotency_key"]: row for row in rows}
    assert len(by_op) == len(by_key) == len(rows)
    assert {attempt.key for attempt in players.attempts} == set(by_key)
    assert set(by_op) <= {attempt.op_id for attempt in players.attempts}
    for attempt in players.attempts:
        row = by_op.get(attempt.op_id)
        if attempt.code == "ok":
            event = by_key[attempt.key]
            assert (
                attempt.body["receipt"]["event_id"] == f"{event['partition']}-{event['epoch']}-{event['seq']}"
            )
            assert event["uid"] == attempt.uid
            assert (row is None) == attempt.replayed
        elif attempt.code in NOTHING_DONE:
            assert row is None, attempt
        else:
            assert attempt.code == "OUTCOME_UNKNOWN"
            late = row is not None and attempt.answered_ms < resumed_ms <= row["ts_ms"]
            assert not late, attempt
