"""The scripts of the product: they load, they are small, and contract and text agree."""

import re
from pathlib import Path

import pytest

import croupier_lua
from croupier.registry import COMMANDS
from croupier.scripts import Scripts
from croupier_schemas.errors import ERRORS
from tests.redis_server import administrator

ROOT = Path(str(croupier_lua.ROOT))
FILES = sorted(ROOT.rglob("*.lua"))
SCRIPTS = Scripts()
LINES_MAX = 120

_BETWEEN_ENGINE_AND_SCRIPT = {
    "OK", "FENCED", "REPLAYED", "NEEDS_SEED", "SEED_MISMATCH", "STALE_DAY", "NOTHING_KEPT",
    "SESSION_IDLE", "NO_POOL", "POOL_FULL",
}  # fmt: skip
_ANSWER = re.compile(r"(?:answer\(|return \{)'([A-Z_]+)'")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_given_a_script_file_when_its_lines_are_counted_then_it_fits_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("name", SCRIPTS.names())
def test_given_a_real_script_when_the_server_loads_it_then_it_knows_it_by_the_loaders_hash(
    redis_url: str, name: str
) -> None:
    with administrator(redis_url) as client:
        assert client.script_load(SCRIPTS[name].source) == SCRIPTS[name].sha


@pytest.mark.parametrize("name", SCRIPTS.names())
def test_given_a_real_script_when_it_answers_a_code_then_its_contract_declares_it(name: str) -> None:
    answered = set(_ANSWER.findall(SCRIPTS[name].source.decode()))

    assert answered - {"OK"} == set(SCRIPTS[name].errors)


@pytest.mark.parametrize("name", SCRIPTS.names())
def test_given_a_code_that_a_script_answers_when_a_client_may_see_it_then_the_api_knows_it(name: str) -> None:
    assert set(SCRIPTS[name].errors) <= set(ERRORS) | _BETWEEN_ENGINE_AND_SCRIPT


@pytest.mark.parametrize("name", SCRIPTS.names())
def test_given_a_real_script_when_its_events_type_is_declared_then_only_one_that_appends_has_one(
    name: str,
) -> None:
    script = SCRIPTS[name]

    assert (script.emits is not None) == ("'XADD'" in script.source.decode())


@pytest.mark.parametrize("name", SCRIPTS.names())
def test_given_a_real_script_when_it_writes_then_the_outbox_comes_first(name: str) -> None:
    text = SCRIPTS[name].source.decode()
    writes = re.findall(r"call\('(SET|SETRANGE|HSET|DEL|HDEL|RENAME|INCRBY|HINCRBY|XADD)'", text)

    if "XADD" in writes:
        assert writes[0] == "XADD"
    assert "pcall" not in text and "redis.call(" not in text.replace("= redis.call,", "")


def test_given_the_includes_when_the_scripts_are_read_then_each_is_used() -> None:
    pasted = "".join(SCRIPTS[name].source.decode() for name in SCRIPTS.names())

    for path in ROOT.joinpath("include").glob("*.lua"):
        body = path.read_text("utf-8").split("\n\n", 1)[-1].splitlines()
        line = next(
            line
            for line in body
            if line and not line.startswith("--") and not re.search(r"_pack|_size|<record>", line)
        )
        assert line in pasted, f"{path.name} is included nowhere"


def test_given_the_commands_when_their_scripts_are_looked_up_then_each_has_one_that_emits_an_event() -> None:
    for command in COMMANDS:
        script = SCRIPTS[command.name]
        assert script.emits is not None and script.emits.startswith(command.game + ".")
        shown = set(command.errors)
        client_codes = {code for code in script.errors if code not in _BETWEEN_ENGINE_AND_SCRIPT}
        assert client_codes - shown <= {"EXPIRED", "IDEMPOTENCY_KEY_REUSED"}
