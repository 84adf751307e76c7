"""`croupier config`: every setting, its value and its source, and no secret."""

import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from croupier.environment import PROGRAMS
from croupier.settings import Settings
from croupier_cli.config import is_secret
from croupier_cli.redaction import without_password
from tests.cli.support import Outcome, croupier, environment

JWT_SECRET = "5f1c9e27a84b03d6e2b7f0c4918a6d35"
SEED = "c0ffee" * 10 + "1234"


@pytest.fixture
def data(directory: Path) -> Path:
    """A data directory as a running `croupier up` has it."""
    (directory / "secrets.env").write_text(f"JWT_SECRET_KEY={JWT_SECRET}\nCROUPIER_MASTER_KEYS=1:{SEED}\n")
    (directory / "servers.json").write_text('{"redis_url": "redis://:kept@127.0.0.1:7/0"}')
    return directory


def shown(outcome: Outcome) -> dict[str, dict[str, Any]]:
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return {each["name"]: each for each in json.loads(outcome.stdout)["settings"]}


def test_given_settings_from_everywhere_then_each_is_printed_with_its_source(data: Path) -> None:
    env = environment(
        CROUPIER_DATA_DIR=str(data),
        CROUPIER_WORKERS="3",
        CROUPIER_VALKEY_BINARY="/bin/v",
        CROUPIER_ECONOMY="",
    )
    printed = shown(croupier("config", "--json", env=env))
    assert list(printed) == [*Settings.__struct_encode_fields__, *PROGRAMS]
    for name, source, value in (
        ("CROUPIER_WORKERS", "environment", 3),
        ("KAFKA_ENABLED", "environment", False),
        ("CROUPIER_VALKEY_BINARY", "environment", "/bin/v"),
        ("REDIS_URL", "data directory", "redis://@127.0.0.1:7/0"),
        ("JWT_SECRET_KEY", "data directory", "[redacted]"),
        ("CROUPIER_MASTER_KEYS", "data directory", "[redacted]"),
        ("CROUPIER_HTTP_PORT", "default", 8000),
        ("CROUPIER_ECONOMY", "default", ""),
        ("SENTRY_DSN", "default", ""),
    ):
        assert (printed[name]["source"], printed[name]["value"]) == (source, value), name

    lines = croupier("config", env=env).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(printed)
    assert lines[list(printed).index("CROUPIER_WORKERS")].split() == ["CROUPIER_WORKERS", "environment", "3"]


def test_given_secrets_and_passwords_everywhere_then_none_is_printed(data: Path) -> None:
    env = environment(
        CROUPIER_DATA_DIR=str(data),
        CROUPIER_DETERMINISTIC_SEED="hidden-seed",
        JWT_SECRET_KEY="hidden-1f9e27a84b03d6e2b7f0c4918a6d35",
        REDIS_URL="redis://croupier:hidden-redis@127.0.0.1:6379/0",
        DATABASE_URL="postgresql://croupier:hidden-p@ss@127.0.0.1/croupier?sslpassword=hidden-tls&x=1",
        CLICKHOUSE_URL="http://croupier:hidden-click@127.0.0.1:8123/croupier",
    )
    for words in ((), ("--json",)):
        printed = croupier("config", *words, env=env)
        assert printed.exit_code == 0, printed
        assert "hidden" not in printed.stdout + printed.stderr
        assert SEED not in printed.stdout and JWT_SECRET not in printed.stdout
        assert "redis://croupier@127.0.0.1:6379/0" in printed.stdout
        assert "postgresql://croupier@127.0.0.1/croupier?sslpassword=...&x=1" in printed.stdout


def test_given_settings_that_cannot_be_used_then_each_problem_is_a_line_and_the_exit_code_is_2(
    directory: Path,
) -> None:
    env = environment(
        CROUPIER_DATA_DIR=str(directory),
        CROUPIER_WORKER="4",
        CROUPIER_HTTP_PORT="eighty",
        CROUPIER_MASTER_KEYS="hidden",
        CROUPIER_CORS_ORIGINS="nonsense",
        CROUPIER_TRUSTED_PROXIES="nonsense",
        CROUPIER_ECONOMY=str(directory / "none.toml"),
        JWT_SECRET_KEY="hidden-hidden-hidden-hidden-hidden-hidden-",
        REDIS_URL="http://hidden@x",
        DATABASE_URL="mysql://a:hidden@x",
        CLICKHOUSE_URL="ftp://a:hidden@x",
    )
    refused = croupier("config", env=env)
    assert (refused.exit_code, refused.stdout) == (2, "")
    lines = refused.stderr.splitlines()
    assert [re.findall(r"[A-Z]+_[A-Z_]+", line)[0] for line in lines] == [
        "CROUPIER_WORKER", "CROUPIER_HTTP_PORT", "JWT_SECRET_KEY", "DATABASE_URL", "CLICKHOUSE_URL", "REDIS_URL",
        "CROUPIER_MASTER_KEYS", "CROUPIER_CORS_ORIGINS", "CROUPIER_TRUSTED_PROXIES", "CROUPIER_ECONOMY",
    ]  # fmt: skip
    assert all(line.startswith("croupier: ") for line in lines)
    assert "hidden" not in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["up"], ["serve"], ["sync"], ["export"], ["migrate"], ["token", "--user", "1"], ["economy", "show"],
        ["pool", "add", "festival", "Epic", "1"], ["player", "show", "1"], ["deadletters", "list"], ["verify"],
        ["backup", "x"], ["restore"], ["adopt"], ["report"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_given_an_unknown_variable_when_any_command_reads_settings_then_refused(
    directory: Path, words: list[str]
) -> None:
    env = environment(CROUPIER_DATA_DIR=str(directory), CROUPIER_WORKER="4")
    croupier(*words, env=env).require_refusal(
        "CROUPIER_WORKER is no setting", "nearest one is CROUPIER_WORKERS"
    )


def test_given_a_weak_secret_in_the_data_directory_then_refused(directory: Path) -> None:
    (directory / "secrets.env").write_text(f"JWT_SECRET_KEY={'j' * 32}\nCROUPIER_MASTER_KEYS=1:{SEED}\n")
    env = environment(CROUPIER_DATA_DIR=str(directory))
    for command in ("config", "up"):
        croupier(command, env=env).require_refusal("JWT_SECRET_KEY", "different characters")
    assert not (directory / "valkey").exists()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:p@127.0.0.1", "redis://@127.0.0.1"),
        ("redis://u:p/w@h:1/0", "redis://u@h:1/0"),
        ("redis://u/u:p@h", "redis://u/u@h"),
        ("postgresql://u:p@w@h1,h2/d", "postgresql://u@h1,h2/d"),
        ("postgresql://h/d?user=u&password=p&x=1", "postgresql://h/d?user=u&password=...&x=1"),
        ("unix:///run/redis.sock?db=1&password=p", "unix:///run/redis.sock?db=1&password=..."),
        ("http://u:p\n@h", "http://u@h"),
    ],
)
def test_given_a_url_when_shown_then_without_its_password(url: str, allowed: str) -> None:
    assert without_password(url) == allowed


def test_given_a_setting_whose_name_tells_of_a_secret_then_its_type_says_so_too() -> None:
    secret = {name for name, hint in get_type_hints(Settings, include_extras=True).items() if is_secret(hint)}
    telling = re.compile(r"(^|_)(keys?|secret|seed|password|token|dsn)(_|$)")
    assert {name for name in Settings.__struct_fields__ if telling.search(name)} == secret
    assert secret
