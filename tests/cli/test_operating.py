"""The commands that operate the economy, on a real Redis and Postgres that a daemon keeps together."""

import asyncio
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from croupier.economy import canonical, from_canonical, load_economy, version
from croupier.partition import push_economy, read_head
from croupier.scripts import Scripts
from croupier.transport import Transport
from tests.cli.support import DEADLINE_S, Environment, Outcome, croupier, environment, started
from tests.embedded.support import wait_until
from tests.redis_server import administrator

FIRST = version(load_economy())


class Operator:
    """Runs commands that find their servers by the environment."""

    def __init__(self, redis_url: str, database_url: str) -> None:
        self.redis_url, self.database_url = redis_url, database_url
        self.env: Environment = environment(REDIS_URL=redis_url, DATABASE_URL=database_url)

    def runs(self, *words: str) -> Outcome:
        outcome = croupier(*words, env=self.env)
        assert outcome.exit_code == 0, outcome
        return outcome

    def asks(self, *words: str) -> Any:
        """The JSON object that a command prints."""
        outcome = self.runs(*words, "--json")
        assert outcome.stderr == "", outcome
        return json.loads(outcome.stdout)

    def refused(self, *words: str) -> str:
        outcome = croupier(*words, env=self.env)
        outcome.require_refusal()
        return outcome.stderr

    def economy(self) -> Any:
        return self.asks("economy", "show")["economy"]

    def in_force(self) -> str:
        shown: str = self.asks("economy", "show")["version"]
        return shown

    def pushes(self) -> list[Any]:
        """The history, once it has heard of the version in force."""
        in_force = self.in_force()

        def heard() -> bool:
            said = json.loads(self.runs("economy", "history", "--json").stdout)["pushes"]
            return bool(said and said[0]["version"] == in_force)

        wait_until(heard, DEADLINE_S)
        found: list[Any] = self.asks("economy", "history")["pushes"]
        return found

    def pool(self) -> dict[bytes, bytes]:
        with administrator(self.redis_url) as client:
            return dict(client.hgetall("{0}:pool:festival"))


@pytest.fixture
def operator(redis_url: str, database_url: str) -> Iterator[Operator]:
    """An operator of a casino with the default economy, whose daemon runs."""
    operator = Operator(redis_url, database_url)
    operator.runs("migrate")
    with started("sync", operator.env):
        with administrator(redis_url) as client:
            wait_until(lambda: bool(client.hget("{0}:head", "economy")), DEADLINE_S)
        yield operator


@pytest.fixture
def pushed(operator: Operator, tmp_path: Path) -> Callable[..., str]:
    """A function that pushes the default economy with these top-level settings, and returns its version."""

    def push(**settings: int) -> str:
        file = tmp_path / "economy.json"
        file.write_text(json.dumps(json.loads(canonical(load_economy())) | settings))
        answer: str = operator.asks("economy", "push", str(file))["version"]
        return answer

    return push


# history and rollback


def test_given_pushes_then_the_history_has_each_with_its_event_the_latest_first(
    operator: Operator, pushed: Callable[..., str]
) -> None:
    second, third = pushed(initial_gems=1), pushed(initial_gems=2)

    pushes = operator.pushes()

    assert [push["version"] for push in pushes] == [third, second, FIRST]
    assert [push["in_force"] for push in pushes] == [True, False, False]
    assert all(re.fullmatch(r"0-1-\d+", push["event_id"]) for push in pushes)
    assert pushes[0]["pushed_at"] > pushes[1]["pushed_at"] > pushes[2]["pushed_at"]
    lines = operator.runs("economy", "history", "--limit", "2").stdout.splitlines()
    assert [line.split()[1:3] for line in lines] == [
        [push["version"], push["event_id"]] for push in pushes[:2]
    ]
    assert [line.endswith("  in force") for line in lines] == [True, False]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0].split()[0])


def test_given_two_rollbacks_then_the_second_takes_the_first_one_back_and_both_are_pushes(
    operator: Operator, pushed: Callable[..., str]
) -> None:
    second = pushed(initial_gems=1)

    assert operator.asks("economy", "rollback") == {"from": second, "to": FIRST, "changed": True}
    assert operator.in_force() == FIRST
    again = operator.runs("economy", "rollback").stdout
    assert again == f"{FIRST} -> {second}: version {second} is in force\n"
    assert [push["version"] for push in operator.pushes()] == [second, FIRST, second, FIRST]
    assert [push["in_force"] for push in operator.pushes()] == [True, False, False, False]


def test_given_a_version_when_rolled_back_to_then_it_is_in_force_and_a_second_time_nothing_changes(
    operator: Operator, pushed: Callable[..., str]
) -> None:
    pushed(initial_gems=1)
    third = pushed(initial_gems=2)

    assert operator.asks("economy", "rollback", FIRST) == {"from": third, "to": FIRST, "changed": True}
    assert operator.asks("economy", "rollback", FIRST) == {"from": FIRST, "to": FIRST, "changed": False}
    assert len(operator.pushes()) == 4


def test_given_an_economy_that_never_was_in_force_when_rolled_back_to_then_refused(
    operator: Operator,
) -> None:
    assert "no economy was in force before" in operator.refused("economy", "rollback")
    never = "0" * 64

    async def store() -> None:
        # As a push leaves it that was interrupted before it reached Redis.
        connection = await asyncpg.connect(operator.database_url)
        await connection.execute("INSERT INTO economy_versions (version, canonical) VALUES ($1, '')", never)
        await connection.close()

    asyncio.run(store())
    assert "was ever in force here" in operator.refused("economy", "rollback", never)
    assert "was ever in force here" in operator.refused("economy", "rollback", "nonsense")
    assert operator.in_force() == FIRST


def test_given_a_version_of_an_older_release_when_rolled_back_to_then_its_name_and_its_form_stay(
    operator: Operator, pushed: Callable[..., str]
) -> None:
    settings = json.loads(canonical(load_economy()))
    del settings["maintenance"], settings["gacha"]["enabled"], settings["slot"]
    form = json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()
    name = hashlib.sha256(form).hexdigest()
    put_in_force_as_stored(operator, name, form)
    later = pushed(initial_gems=1)

    assert operator.asks("economy", "rollback") == {"from": later, "to": name, "changed": True}

    with administrator(operator.redis_url) as client:
        assert client.get(f"{{0}}:economy:{name}") == form
        assert client.hget("{0}:head", "economy") == name.encode()
    assert operator.pushes()[0]["version"] == name
    assert stored_in_postgres(operator, name) == [form, form]
    assert operator.economy()["slot"]["enabled"] is True


def put_in_force_as_stored(operator: Operator, name: str, form: bytes) -> None:
    """As the older release did: under the name that this form had then."""

    async def push() -> None:
        transport = Transport(operator.redis_url)
        await transport.open()
        economy = from_canonical(form)
        assert await push_economy(
            transport, Scripts(), 0, economy=economy, version=name, canonical=form, in_place_of=FIRST
        )
        head = await read_head(transport, 0)
        assert head is not None
        assert head.economy == name
        await transport.close()

    asyncio.run(push())


def stored_in_postgres(operator: Operator, name: str) -> list[bytes]:
    """The version's form where economies are kept, and in the mirror."""

    async def read() -> list[bytes]:
        connection = await asyncpg.connect(operator.database_url)
        kept = await connection.fetchval("SELECT canonical FROM economy_versions WHERE version = $1", name)
        mirrored = await connection.fetchval(
            "SELECT value FROM mirror WHERE key = $1", f"{{0}}:economy:{name}"
        )
        await connection.close()
        return [kept, mirrored]

    return asyncio.run(read())


def test_given_no_daemon_when_rolled_back_without_a_version_then_refused_and_with_one_it_works(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    operator = Operator(redis_url, database_url)
    operator.runs("migrate")
    with started("sync", operator.env), administrator(redis_url) as client:
        wait_until(lambda: bool(client.hget("{0}:head", "economy")), DEADLINE_S)
    file = tmp_path / "economy.json"
    file.write_text(json.dumps(json.loads(canonical(load_economy())) | {"initial_gems": 1}))
    second = operator.asks("economy", "push", str(file))["version"]

    refused = impatient("economy", "rollback", env=operator.env)
    refused.require_refusal("start `croupier sync`, or name the version")
    said = operator.runs("economy", "history").stderr
    assert f"version {second} is in force, and Postgres does not hold its event yet" in said
    assert operator.asks("economy", "rollback", FIRST)["to"] == FIRST


def impatient(*words: str, env: Environment) -> Outcome:
    """The same command, which waits less long for a daemon that does not come."""
    program = (
        "import sys; from croupier_cli import drain, main; drain.DRAIN_TIMEOUT_S = 0.5; sys.exit(main.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=env, capture_output=True, text=True, timeout=DEADLINE_S
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


# game and maintenance


@pytest.mark.parametrize("game", ["gacha", "slot"])
def test_given_a_game_when_disabled_and_enabled_then_only_that_setting_changes_each_time(
    operator: Operator, game: str
) -> None:
    before = operator.economy()

    disabled = operator.asks("game", "disable", game)

    assert disabled == {"game": game, "enabled": False, "version": operator.in_force(), "changed": True}
    assert operator.economy() == before | {game: before[game] | {"enabled": False}}
    again = operator.runs("game", "disable", game).stdout
    assert again == f"{game} is disabled already: nothing changed\n"
    assert operator.in_force() == disabled["version"]
    enabled = operator.runs("game", "enable", game).stdout
    assert enabled == f"{game} is enabled: version {FIRST} is in force\n"
    assert operator.economy() == before
    assert len(operator.pushes()) == 3


def test_given_maintenance_when_switched_on_and_off_then_the_rest_stays_and_twice_is_once(
    operator: Operator,
) -> None:
    off = {"maintenance": False, "version": FIRST}
    assert operator.asks("maintenance", "off") == off | {"changed": False}

    on = operator.asks("maintenance", "on")

    assert on == {"maintenance": True, "version": operator.in_force(), "changed": True}
    assert operator.economy()["maintenance"] is True
    assert operator.runs("maintenance", "on").stdout == "maintenance is on already: nothing changed\n"
    assert operator.asks("maintenance", "off") == off | {"changed": True}
    assert operator.runs("economy", "diff", FIRST).stderr == "no setting differs\n"


# diff


def test_given_a_file_and_a_version_then_their_differences_and_exit_code_0(
    operator: Operator, tmp_path: Path
) -> None:
    file = tmp_path / "economy.json"
    file.write_text(json.dumps(json.loads(canonical(load_economy())) | {"initial_tokens": 5}))

    assert operator.runs("economy", "diff", str(file)).stdout == "initial_tokens: 100,000 -> 5\n"
    assert operator.runs("economy", "diff", str(file), FIRST).stdout == "initial_tokens: 5 -> 100,000\n"
    assert operator.asks("economy", "diff", FIRST, str(file)) == {
        "differences": [{"path": "initial_tokens", "old": 100_000, "new": 5}]
    }
    operator.asks("economy", "push", str(file))
    same = operator.runs("economy", "diff", str(file))
    assert (same.stdout, same.stderr) == ("", "no setting differs\n")
    assert operator.runs("economy", "diff", FIRST).stdout == "initial_tokens: 5 -> 100,000\n"
    assert "no economy of version" in operator.refused("economy", "diff", "0" * 64)


# pool add


def test_given_a_pool_when_stock_is_added_then_before_and_after_are_printed_and_its_event_reaches_postgres(
    operator: Operator,
) -> None:
    printed = operator.runs("pool", "add", "festival", "Legendary", "1000", "--reason", "autumn").stdout
    assert re.fullmatch(r"Legendary of festival: 5 -> 1,005 \(event 0-1-\d+\)\n", printed)

    added = operator.asks("pool", "add", "festival", "Legendary", "1")

    event_id = added.pop("event_id")
    assert added == {"banner": "festival", "rarity": "Legendary", "added": 1, "before": 1_005, "after": 1_006}
    assert operator.pool() == {b"Legendary": b"1006", b"Epic": b"100"}

    async def mirrored() -> tuple[bytes | None, list[str]]:
        connection = await asyncpg.connect(operator.database_url)
        value = await connection.fetchval(
            "SELECT value FROM mirror WHERE key = '{0}:pool:festival' AND field = 'Legendary'"
        )
        rows = await connection.fetch("SELECT epoch, seq FROM events WHERE type = 'pool.added' ORDER BY seq")
        await connection.close()
        return value, [f"0-{row['epoch']}-{row['seq']}" for row in rows]

    wait_until(lambda: asyncio.run(mirrored())[0] == b"1006", DEADLINE_S)
    assert asyncio.run(mirrored())[1][-1] == event_id
    assert len(asyncio.run(mirrored())[1]) == 2


@pytest.mark.parametrize(
    ("banner", "rarity"), [("standard", "Legendary"), ("festival", "Common"), ("nowhere", "Epic")]
)
def test_given_no_limited_pool_when_stock_is_added_then_refused(
    operator: Operator, banner: str, rarity: str
) -> None:
    assert f"banner '{banner}' has no limited pool of {rarity}" in operator.refused(
        "pool", "add", banner, rarity, "1"
    )
    assert operator.pool() == {b"Legendary": b"5", b"Epic": b"100"}


def test_given_a_redis_of_another_installation_when_operated_then_refused_and_nothing_is_changed(
    operator: Operator,
) -> None:
    with administrator(operator.redis_url) as client:
        installation = client.hget("{0}:head", "installation")
        assert isinstance(installation, bytes)
        client.hset("{0}:head", "installation", "another")
        before = client.get("{0}:economy:" + FIRST), client.xlen("{0}:outbox:" + fence(client))
        for words in (
            ["pool", "add", "festival", "Epic", "1"],
            ["game", "disable", "slot"],
            ["maintenance", "on"],
            ["economy", "rollback", FIRST],
        ):
            assert "installation" in operator.refused(*words)
        assert (client.get("{0}:economy:" + FIRST), client.xlen("{0}:outbox:" + fence(client))) == before
        client.hset("{0}:head", "installation", installation)


def fence(client: "redis.Redis") -> str:
    value = client.hget("{0}:head", "fence")
    assert isinstance(value, bytes)
    return value.decode()
