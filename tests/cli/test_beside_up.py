"""The commands that look at, or change, a running `croupier up`."""

import json
from pathlib import Path
from typing import Any

import jwt
import redis

from croupier.economy import load_economy, version
from croupier_schemas.records import PLAYER
from tests.cli.support import Outcome, Up, ask, croupier, environment, free_port


def beside(up: Up, *arguments: str) -> Outcome:
    """Run a command that finds the servers by the data directory only."""
    outcome = croupier(*arguments, env=environment(CROUPIER_DATA_DIR=up.ready["data_dir"]))
    assert outcome.exit_code == 0, outcome
    return outcome


def token(up: Up, *arguments: str) -> str:
    """What `croupier token` prints, which must be the token and nothing else."""
    outcome = beside(up, "token", *arguments)
    assert outcome.stderr == ""
    (line,) = outcome.stdout.splitlines()
    return line


def test_given_a_data_directory_in_use_when_up_then_refused_and_the_first_goes_on(up: Up) -> None:
    directory = Path(up.ready["data_dir"])
    held = _contents(directory)
    refused = croupier(
        "up", env=environment(CROUPIER_DATA_DIR=str(directory), CROUPIER_HTTP_PORT=str(free_port()))
    )
    refused.require_refusal(str(directory), f"in use by process {up.process.pid}")
    assert _contents(directory) == held
    assert up.ask("/ready")["status"] == "ready"


def _contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir() if file.is_file()}


def test_given_a_token_then_the_server_accepts_it_for_that_player(up: Up) -> None:
    assert (
        ask(up.ready["url"] + "/api/games/gacha/pull", token(up, "--user", "7"), {"count": 1})["balance"]
        == 95_000
    )
    assert ask(up.ready["url"] + "/api/wallet", token(up, "--user", "7"))["user_id"] == 7


def test_given_options_then_the_token_says_so(up: Up) -> None:
    claims = jwt.decode(
        token(up, "--user", "9007199254740991", "--tier", "VIP", "--role", "admin", "--ttl", "60"),
        options={"verify_signature": False},
    )
    assert (claims["sub"], claims["tier"], claims["role"]) == ("9007199254740991", "VIP", "admin")
    assert claims["exp"] - claims["iat"] == 60


def test_given_the_secret_in_the_environment_then_the_token_is_signed_with_it() -> None:
    secret = "5f1c9e27a84b03d6e2b7f0c4918a6d35"
    printed = croupier("token", "--user", "42", env=environment(JWT_SECRET_KEY=secret)).stdout.strip()
    assert jwt.decode(printed, secret, algorithms=["HS256"])["sub"] == "42"


def test_given_a_changed_economy_when_pushed_then_it_is_in_force_at_once_and_a_second_push_changes_nothing(
    up: Up, tmp_path: Path
) -> None:
    shown = beside(up, "economy", "show")
    before = shown.stderr.split()[1].rstrip(",")
    changed = json.loads(shown.stdout)
    changed["gacha"]["banners"]["standard"]["near_miss_ppm"] += 1
    file = tmp_path / "economy.json"
    file.write_text(json.dumps(changed))

    pushed = json.loads(beside(up, "economy", "push", str(file), "--json").stdout)
    assert pushed == {"version": version(load_economy(file)), "changed": True}
    receipt = ask(up.ready["url"] + "/api/games/gacha/pull", token(up, "--user", "8"), {"count": 1})[
        "receipt"
    ]
    assert receipt["economy"] == pushed["version"]
    again = beside(up, "economy", "push", str(file)).stdout
    assert again == f"version {pushed['version']} is in force already: nothing changed\n"

    in_force = json.loads(beside(up, "economy", "show", "--json").stdout)
    assert (in_force["version"], in_force["in_force"]) == (pushed["version"], True)
    assert in_force["economy"] == changed
    past = json.loads(beside(up, "economy", "show", "--version", before, "--json").stdout)
    assert (past["version"], past["in_force"]) == (before, False)
    assert past["economy"] == json.loads(shown.stdout)


def test_given_an_economy_shown_then_it_is_a_sound_file_of_the_same_version(up: Up, tmp_path: Path) -> None:
    shown = beside(up, "economy", "show")
    file = tmp_path / "economy.json"
    file.write_text(shown.stdout)
    assert shown.stderr == f"version {version(load_economy(file))}, in force\n"


def test_given_a_version_that_never_was_when_shown_then_refused(up: Up) -> None:
    env = environment(CROUPIER_DATA_DIR=up.ready["data_dir"])
    croupier("economy", "show", "--version", "0" * 64, env=env).require_refusal("no economy of version")


def test_given_an_unsound_economy_when_pushed_then_refused_and_the_old_one_stays(
    up: Up, tmp_path: Path
) -> None:
    before = beside(up, "economy", "show", "--json").stdout
    file = tmp_path / "economy.toml"
    file.write_text("[gacha]\n")
    env = environment(CROUPIER_DATA_DIR=up.ready["data_dir"])
    croupier("economy", "push", str(file), env=env).require_refusal(str(file), "gacha.banners")
    assert beside(up, "economy", "show", "--json").stdout == before


def test_given_a_player_when_shown_then_every_field_has_its_meaning_and_no_part_of_the_seed_is_there(
    up: Up,
) -> None:
    ask(up.ready["url"] + "/api/games/gacha/pull", token(up, "--user", "11"), {"count": 1})
    lines = beside(up, "player", "show", "11").stdout
    as_json = beside(up, "player", "show", "11", "--json").stdout
    shown: dict[str, Any] = json.loads(as_json)
    assert shown["user_id"] == 11
    assert shown["player"]["tokens"] == 95_000
    assert shown["player"]["client_seed"] == "11"
    assert sum(shown["gacha"]["standard"][rarity] for rarity in ("legendary", "epic", "rare", "common")) == 1
    for name, field in PLAYER.fields.items():
        assert name in lines
        assert field.meaning in lines
    with redis.Redis.from_url(up.redis_url) as client:
        record = client.get("{0}:player:11")
    assert isinstance(record, bytes)
    for text in (lines, as_json):
        assert PLAYER.unpack(record).commitment.hex() in text
        for volatile in (PLAYER.unpack(record).inner_pad, PLAYER.unpack(record).outer_pad):
            assert any(volatile), "there is a seed to be kept secret"
            # Neither the pad nor the seed that it gives away, in hexadecimal or as it stands.
            for seed in (
                volatile,
                bytes(byte ^ 0x36 for byte in volatile),
                bytes(byte ^ 0x5C for byte in volatile),
            ):
                assert seed.hex() not in text
                assert seed.decode("latin-1") not in text
    assert shown["player"]["inner_pad"] == shown["player"]["outer_pad"] == "present"


def test_given_no_such_player_when_shown_then_refused(up: Up) -> None:
    env = environment(CROUPIER_DATA_DIR=up.ready["data_dir"])
    croupier("player", "show", "999", env=env).require_refusal("no player 999")


def test_given_a_running_server_when_openapi_then_it_is_what_the_server_says(up: Up) -> None:
    printed = json.loads(croupier("openapi").stdout)
    assert printed == json.loads(croupier("openapi", "--json").stdout)
    assert printed == up.ask("/openapi.json")
    assert "/api/games/gacha/pull" in printed["paths"]
