"""What the image is made of: the lock's packages, the health checks, the secrets of a new installation."""

import re
import stat
from pathlib import Path

import asyncpg
import pytest

from croupier.fairness.seeds import MasterKeys
from croupier_http.auth import checked_secret
from croupier_sync.migrations import migrate
from tests.ops.container import script
from tests.ops.queries import ROOT


def test_given_the_lock_when_a_part_is_taken_then_each_entry_is_as_it_was_with_all_hashes() -> None:
    locked, lock = script("locked"), (ROOT / "requirements.lock").read_text("utf-8")

    everything = locked.entries(lock)
    part = locked.subset(lock, ["prometheus_client", "PyJWT"])

    assert "".join(f"{one}\n" for each in everything.values() for one in each) == lock
    assert re.findall(r"^[a-z-]+(?===)", part, re.MULTILINE) == ["prometheus-client", "pyjwt"]
    assert locked.entries(part) == {name: everything[name] for name in ("prometheus-client", "pyjwt")}
    assert part.count("--hash=sha256:") >= 4
    with pytest.raises(KeyError):
        locked.subset(lock, ["not-locked"])


def test_given_the_image_then_it_installs_by_hash_only_and_runs_as_nobody_in_particular() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8")
    last = lines[lines.rindex("\nFROM ") :]

    assert all(
        "--require-hashes" in line or "--no-index" in line for line in re.findall(r".*pip install.*", lines)
    )
    assert re.findall(r"^FROM (\S+)", lines, re.MULTILINE) == ["python:3.11.14-slim-bookworm"] * 2
    assert "\nUSER 10001:10001\n" in last
    assert "RUN" not in last
    assert 'ENTRYPOINT ["croupier"]' in last
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", lines, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path


def test_given_what_goes_to_the_builder_then_only_what_is_named_and_never_a_secret() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} >= {"engine", "requirements.lock"}
    assert not any("env" in rule or "croupier" in rule for rule in rules if rule.startswith("!"))


def test_given_no_installation_when_secrets_are_made_then_croupier_takes_them_and_they_are_never_overwritten(
    tmp_path: Path,
) -> None:
    make_env = script("make_env")
    make_env.write(tmp_path)
    file = tmp_path / ".env"
    made = dict(re.findall(r"^([A-Z_]+)=(.+)$", file.read_text("utf-8"), re.MULTILINE))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(made) == set(
        re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
    )
    assert len(set(made.values())) == len(made)
    checked_secret(made["JWT_SECRET_KEY"])
    MasterKeys.parse(made["CROUPIER_MASTER_KEYS"])
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        make_env.write(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("part", ["sync", "export"])
async def test_given_postgres_when_a_daemon_is_silent_then_it_is_not_healthy_and_else_it_is(
    database_url: str, part: str
) -> None:
    healthy = script("healthy")
    table = healthy.TABLES[part]
    connection = await asyncpg.connect(database_url)
    try:
        await migrate(connection)
        await connection.execute(
            "INSERT INTO partitions (partition, state) VALUES (0, 'following') ON CONFLICT DO NOTHING"
        )
        await connection.execute(f"UPDATE {table} SET seen_at = NULL")
        never = await healthy.daemon_writes(part, database_url)
        await connection.execute(f"UPDATE {table} SET seen_at = now() - interval '20 s'")
        silent = await healthy.daemon_writes(part, database_url)
        await connection.execute(f"UPDATE {table} SET seen_at = now()")
        at_work = await healthy.daemon_writes(part, database_url)
    finally:
        await connection.close()

    assert (never, silent, at_work) == (False, False, True)


def test_given_no_server_when_asked_for_its_health_then_it_is_not_healthy() -> None:
    with pytest.raises(OSError, match="refused"):
        script("healthy").server_answers("9")
