"""The commands that need no running `croupier up`."""

import json
from importlib import resources
from pathlib import Path

import pytest

from croupier.economy import load_economy, version
from croupier_cli.main import main
from tests.cli.support import DEADLINE_S, ask, croupier, environment, free_port, is_free, started
from tests.embedded.support import query, wait_until

COMMANDS = (
    ["up"], ["serve"], ["sync"], ["export"], ["migrate"], ["token"], ["openapi"], ["config"],
    ["economy", "check"], ["economy", "show"], ["economy", "diff"], ["economy", "push"], ["economy", "history"],
    ["economy", "rollback"], ["economy", "simulate"], ["game", "enable"], ["game", "disable"],
    ["maintenance", "on"], ["maintenance", "off"], ["pool", "add"], ["player", "show"],
)  # fmt: skip
SECRETS = {"JWT_SECRET_KEY": "5f1c9e27a84b03d6e2b7f0c4918a6d35", "CROUPIER_MASTER_KEYS": f"1:{'ab' * 32}"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_given_any_command_then_its_help_has_an_example(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    example = shown.partition("Example: ")[2]
    assert f"croupier {' '.join(words)}" in example


def test_given_no_command_then_every_command_is_listed_with_what_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in {words[0] for words in COMMANDS}:
        (line,) = (line for line in lines if line.startswith(f"│ {name} "))
        assert len(line.strip("│ ").split()) > 3, f"{name} is listed without a word on what it does"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["up", "--nonsense"],
        ["token"],
        ["token", "--user", "0"],
        ["token", "--user", "9007199254740992"],
        ["token", "--user", "42", "--tier", "GOLD"],
        ["token", "--user", "42", "--ttl", "0"],
        ["economy", "check"],
        ["economy", "diff"],
        ["economy", "history", "--limit", "0"],
        ["economy", "simulate", "economy.toml"],
        ["economy", "simulate", "economy.toml", "--pulls", "0"],
        ["economy", "simulate", "economy.toml", "--pulls", "10000001"],
        ["game", "disable", "chess"],
        ["pool", "add", "festival", "Legendary", "0"],
        ["pool", "add", "festival", "Legendary", "-5"],
        ["pool", "add", "festival", "Legendary", "1000000000001"],
        ["pool", "add", "festival", "Mythical", "1"],
        ["pool", "add", "festival", "Legendary", "1", "--reason", "two\nlines"],
        ["player", "show", "me"],
    ],
    ids=" ".join,
)
def test_given_a_wrong_command_line_then_one_line_and_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("croupier: ")
    assert len(printed.err.splitlines()) == 1


def test_given_an_installed_package_then_the_command_knows_its_version() -> None:
    assert croupier("--version").stdout.strip() == "0.1.0"


def test_given_no_secret_anywhere_when_token_then_refused(directory: Path) -> None:
    env = environment(CROUPIER_DATA_DIR=str(directory))
    croupier("token", "--user", "42", env=env).require_refusal("JWT_SECRET_KEY", str(directory))


@pytest.mark.parametrize(
    ("words", "given", "missing"),
    [
        (["serve"], {}, "REDIS_URL and JWT_SECRET_KEY and CROUPIER_MASTER_KEYS"),
        (["serve"], {"REDIS_URL": "redis://127.0.0.1", **SECRETS, "JWT_SECRET_KEY": ""}, "JWT_SECRET_KEY"),
        (["sync"], {"REDIS_URL": "redis://127.0.0.1"}, "DATABASE_URL"),
        (["migrate"], {}, "DATABASE_URL"),
        (["economy", "show"], {}, "REDIS_URL"),
        (["economy", "diff", "0" * 64], {}, "REDIS_URL"),
        (["economy", "history"], {}, "REDIS_URL and DATABASE_URL"),
        (["economy", "rollback"], {"REDIS_URL": "redis://127.0.0.1"}, "DATABASE_URL"),
        (["game", "disable", "slot"], {"DATABASE_URL": "postgresql://127.0.0.1"}, "REDIS_URL"),
        (["maintenance", "on"], {}, "REDIS_URL and DATABASE_URL"),
        (["pool", "add", "festival", "Epic", "1"], {}, "REDIS_URL and DATABASE_URL"),
        (["player", "show", "42"], {}, "REDIS_URL"),
    ],
)
def test_given_settings_that_are_missing_then_they_are_named(
    directory: Path, words: list[str], given: dict[str, str], missing: str
) -> None:
    env = environment(CROUPIER_DATA_DIR=str(directory), **given)
    croupier(*words, env=env).require_refusal(f"{missing} must be set")


# economy check


def test_given_a_sound_economy_when_checked_then_its_version_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "economy.toml"
    file.write_bytes(resources.files("croupier.economy").joinpath("default.toml").read_bytes())
    checked = croupier("economy", "check", str(file))
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert checked.stdout == f"{file} is sound: version {version(load_economy())}\n"
    as_json = json.loads(croupier("economy", "check", str(file), "--json").stdout)
    assert as_json == {"sound": True, "version": version(load_economy()), "problems": []}


def test_given_an_unsound_economy_when_checked_then_one_line_per_problem_with_its_path_first(
    tmp_path: Path,
) -> None:
    file = tmp_path / "economy.toml"
    file.write_text("initial_tokens = -1\ninitial_gem = 1\n")
    checked = croupier("economy", "check", str(file))
    assert (checked.exit_code, checked.stderr) == (1, "")
    paths = [line.split(":")[0] for line in checked.stdout.splitlines()]
    assert sorted(paths) == ["gacha", "initial_gem", "initial_tokens"]
    as_json = json.loads(croupier("economy", "check", str(file), "--json").stdout)
    assert not as_json["sound"]
    assert sorted(problem["path"] for problem in as_json["problems"]) == sorted(paths)


@pytest.mark.parametrize(
    ("name", "words"), [("missing.toml", "No such file"), ("economy.yaml", ".toml or .json")]
)
def test_given_a_file_that_is_no_economy_file_when_checked_then_refused(
    tmp_path: Path, name: str, words: str
) -> None:
    croupier("economy", "check", str(tmp_path / name)).require_refusal(name, words)


# migrate, sync, serve


def test_given_an_empty_database_when_migrated_twice_then_the_second_time_there_is_nothing_to_do(
    empty_database_url: str,
) -> None:
    env = environment(DATABASE_URL=empty_database_url)
    first = croupier("migrate", "--json", env=env)
    assert first.exit_code == 0, first
    assert json.loads(first.stdout)["applied"][0] == "0001_events.sql"
    second = croupier("migrate", env=env)
    assert (second.exit_code, second.stdout, second.stderr) == (0, "nothing to do\n", "")


def test_given_a_migrate_that_was_killed_before_its_last_step_when_migrated_then_there_is_an_installation(
    redis_url: str, database_url: str
) -> None:
    assert query(database_url, "SELECT count(*) FROM installation") == 0
    env = environment(REDIS_URL=redis_url, DATABASE_URL=database_url)
    assert croupier("migrate", env=env).exit_code == 0
    assert query(database_url, "SELECT count(*) FROM installation") == 1


def test_given_a_database_that_was_never_migrated_when_sync_then_refused(
    redis_url: str, empty_database_url: str
) -> None:
    env = environment(REDIS_URL=redis_url, DATABASE_URL=empty_database_url)
    croupier("sync", env=env).require_refusal("run `croupier migrate`")


def test_given_the_parts_run_by_themselves_then_a_pull_works_and_each_ends_with_0(
    redis_url: str, database_url: str
) -> None:
    port = free_port()
    env = environment(
        REDIS_URL=redis_url, DATABASE_URL=database_url,
        CROUPIER_HTTP_PORT=str(port), CROUPIER_WORKERS="1", **SECRETS,
    )  # fmt: skip
    assert croupier("migrate", env=env).exit_code == 0
    token = croupier("token", "--user", "42", env=env).stdout.strip()

    def ready() -> bool:
        try:
            return bool(ask(f"http://127.0.0.1:{port}/ready", token)["status"] == "ready")
        except OSError:
            return False

    with started("sync", env), started("serve", env):
        wait_until(ready, DEADLINE_S)
        pulled = ask(f"http://127.0.0.1:{port}/api/games/gacha/pull", token, {"count": 1})
        assert pulled["balance"] == 95_000
    assert is_free(port)
