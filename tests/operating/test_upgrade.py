"""docs/operating/upgrade.md: two releases side by side under load, one part after the other replaced."""

import asyncio
import itertools
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from croupier.economy import canonical
from croupier.scripts import Scripts
from croupier_cli.embedded import Valkey
from tests.chaos import invariants
from tests.chaos.course import as_in_the_model, same_everywhere, until_quiet
from tests.chaos.load import NO_ANSWER, Answer, Client, Player, Request
from tests.chaos.parts import MASTER_KEY_ID, SECRET
from tests.chaos.report import Report
from tests.cli.support import environment, free_port
from tests.operating.releases import Part, Release
from tests.sync.healed import casino_on
from tests.sync.support import Casino, generous_economy, until

PLAYERS: Final = 6
ANSWERS: Final = 60
"""How many answers of each server are waited for before the next step."""
SEED: Final = 5
BEFORE: Final = {"9001_next.sql": "ALTER TABLE game_history ADD COLUMN next_release text;"}
AFTER: Final = BEFORE | {"9002_after_next.sql": "ALTER TABLE game_history DROP COLUMN next_release;"}
CLIENT_TIMEOUT_S: Final = 60.0
"""Longer than any answer may take: a request without one has lost its connection."""


@dataclass
class Proxy(Client):
    """What a proxy in front of several servers does: each request goes to the next of those that are in service."""

    in_service: list[int] = field(default_factory=list)
    answered: Counter[int] = field(default_factory=Counter)
    _turns: Iterator[int] = field(default_factory=itertools.count)

    async def ask(self, request: Request) -> Answer:
        port = self.in_service[next(self._turns) % len(self.in_service)]
        self.url = f"http://127.0.0.1:{port}"
        answer = await super().ask(request)
        self.answered[port] += 1
        return answer

    async def until_answered(self, *ports: int) -> None:
        """Return when each of these servers has answered so many more requests."""
        before = self.answered.copy()

        async def done() -> bool:
            return all(self.answered[port] - before[port] >= ANSWERS for port in ports)

        await until(done, f"answers of {ports}: {self.answered}")


@dataclass
class Upgrade:
    """The steps of the page, under load."""

    directory: Path
    env: dict[str, str]
    proxy: Proxy
    running: ExitStack

    def start(self, release: Release, name: str, slot: str, port: int = 0) -> Part:
        env = self.env | {"CROUPIER_HTTP_PORT": str(port)}
        return self.running.enter_context(release.part(name, env, self.directory / f"{name}-{slot}.log"))

    async def serve(self, release: Release, slot: str, port: int) -> Part:
        """A server of this release, once it is ready for players."""
        server = self.start(release, "serve", slot, port)

        async def ready() -> bool:
            try:
                async with self.proxy.session.get(f"http://127.0.0.1:{port}/ready") as reply:
                    return reply.status == 200
            except aiohttp.ClientError:
                return False

        await until(ready, f"the server {slot}")
        return server


@pytest.mark.timeout(300)
async def test_given_two_releases_under_load_when_one_replaces_the_other_then_no_request_fails_and_all_invariants_hold(
    valkey: Valkey, redis_url: str, database_url: str, tmp_path: Path
) -> None:
    # Given
    old = Release()
    new = Release(tmp_path / "new", BEFORE)
    after = Release(tmp_path / "after", AFTER)
    master_key = secrets.token_bytes(32)
    (tmp_path / "economy.json").write_bytes(canonical(generous_economy()))
    env = environment(
        REDIS_URL=redis_url, DATABASE_URL=database_url, JWT_SECRET_KEY=SECRET, CROUPIER_WORKERS="1",
        CROUPIER_MASTER_KEYS=f"{MASTER_KEY_ID}:{master_key.hex()}", CRASH_DB_STRICT="1",
        CROUPIER_ECONOMY=str(tmp_path / "economy.json"), DURABILITY_TIMEOUT="20",
        CROUPIER_COMMAND_TIMEOUT_SECONDS="20",
    )  # fmt: skip
    timeout = aiohttp.ClientTimeout(total=CLIENT_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, casino_on(valkey, database_url) as casino:
        proxy = Proxy(session, "")
        with ExitStack() as running:
            upgrade = Upgrade(tmp_path, env, proxy, running)

            # When
            await _replace(upgrade, old, new, after)

            # Then
            assert await _problems(casino, proxy, master_key) == []
            loaded = [Scripts(release.scripts)["gacha.pull"].sha for release in (old, new)]
            assert len(set(loaded)) == 2
            assert await casino.administer("SCRIPT", "EXISTS", *loaded) == [1, 1]
            heals = await casino.connection.fetchval("SELECT count(*) FROM heals")
            epochs = await casino.connection.fetchval("SELECT count(DISTINCT epoch) FROM events")
            assert (heals, epochs) == (0, 1)  # the log went on, whoever wrote and read it


async def _replace(upgrade: Upgrade, old: Release, new: Release, after: Release) -> None:
    """The old release serves; then the steps, with players who play all the while."""
    proxy, (old_port, new_port) = upgrade.proxy, (free_port(), free_port())
    await _run(old, upgrade.env)
    old_daemon = upgrade.start(old, "sync", "old")
    old_server = await upgrade.serve(old, "old", old_port)
    proxy.in_service = [old_port]
    stop = threading.Event()
    async with asyncio.TaskGroup() as playing:
        for uid in range(1, PLAYERS + 1):
            playing.create_task(Player(proxy, uid, SEED).play(stop))
        try:
            await proxy.until_answered(old_port)

            assert await _run(new, upgrade.env) == [*BEFORE]
            await proxy.until_answered(old_port)

            new_daemon = upgrade.start(new, "sync", "new")
            await asyncio.to_thread(lambda: new_daemon.until_said("waiting"))
            await asyncio.to_thread(old_daemon.stop)
            await asyncio.to_thread(lambda: new_daemon.until_said("following"))
            await proxy.until_answered(old_port)

            await upgrade.serve(new, "new", new_port)
            proxy.in_service = [old_port, new_port]
            await proxy.until_answered(old_port, new_port)

            proxy.in_service = [new_port]
            await asyncio.to_thread(old_server.stop)
            await proxy.until_answered(new_port)

            assert await _run(after, upgrade.env) == [key for key in AFTER if key not in BEFORE]
            await proxy.until_answered(new_port)
        finally:
            stop.set()


async def _problems(casino: Casino, proxy: Proxy, master_key: bytes) -> list[str]:
    """What players were answered, and all that must be true of the log, against which it is held."""
    await until_quiet(casino)
    log = invariants.log_of(await invariants.read_events(casino.connection))
    problems = [_said(each) for each in proxy.answers if each.status == NO_ANSWER or each.status >= 500]
    _, found = await invariants.asked_again(log, proxy.answers, proxy)
    await until_quiet(casino)
    events = await invariants.read_events(casino.connection)
    log = invariants.log_of(events)
    problems += found + invariants.all_held(log, proxy.answers) + invariants.in_order(log, proxy.answers)
    problems += invariants.gapless(log) + invariants.once_per_key(log)
    report = Report(SEED, 0.0)
    problems += await as_in_the_model(master_key, casino, events, proxy.answers, report)
    assert report.replies_replayed > 4 * ANSWERS
    return problems + await same_everywhere(casino)


def _said(answer: Answer) -> str:
    return f"{answer.request.path} of player {answer.request.uid}: {answer.status} {answer.data!r}"


async def _run(release: Release, env: dict[str, str]) -> list[str]:
    """`croupier migrate`: the migrations that it applied."""
    return (await asyncio.to_thread(lambda: release.run("migrate", env))).split()
