"""The user's rights are those that the code needs: none is missing, and none is there that nobody uses."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from croupier.permissions import COMMANDS, PermissionMissing, require_permissions, rules
from croupier.scripts import Scripts
from croupier.transport import Transport, Unavailable
from tests.cli.support import croupier, environment
from tests.ops.queries import ROOT
from tests.permissions.conftest import MakeUser
from tests.redis_server import administrator

PACKAGES = ("engine", "http", "sync", "cli")
NO_COMMANDS = {"readonly"}  # an error's code
FOR_EVERYBODY = {"auth"}  # no rule is needed for it
HANDSHAKE = {"client|setname", "info"}
"""What every connection sends first: a user that lacks it gets none."""


@pytest.fixture
def known(redis_url: str) -> set[str]:
    """All commands of the server; those that have subcommands are with them: `script|load`."""
    with administrator(redis_url) as client:
        details = client.execute_command("COMMAND INFO")
    found: set[str] = set()
    for name, *_, subcommands in details:
        found |= {each[0].decode() for each in subcommands} or {name.decode()}
    return found


def written(elements: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    """Each word in capitals with the one that follows it, which may be empty."""
    words = [each.value if isinstance(each, ast.Constant) else "" for each in elements]
    for word, follower in zip(words, [*words, ""][1:], strict=True):
        if isinstance(word, str) and word.isupper():
            yield word.lower(), str(follower).lower()


def in_python(known: set[str]) -> set[str]:
    """The commands that our packages write down as arguments of a call, or as parts of a tuple or list."""
    found = set()
    in_capitals = re.compile("|".join(f'"{name.partition("|")[0].upper()}"' for name in known))
    for path in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        text = path.read_text("utf-8")
        if not in_capitals.search(text):
            continue
        for node in ast.walk(ast.parse(text)):
            elements = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
            for word, follower in written(elements):
                found |= {word, f"{word}|{follower}"} & known
    return found - NO_COMMANDS - FOR_EVERYBODY


def in_lua() -> set[str]:
    """The commands that scripts call by name; what `partition.write` runs is written down in Python."""
    scripts = Scripts()
    sources = (scripts[name].source.decode() for name in scripts.names())
    return {name.lower() for source in sources for name in re.findall(r"\bcall\('(\w+)'", source)}


def test_given_the_code_when_its_commands_are_counted_then_the_user_has_these_and_no_others(
    known: set[str],
) -> None:
    assert in_python(known) | in_lua() == set(COMMANDS)
    assert len(in_lua()) > 10 and len(in_python(known)) > 30


def test_given_the_scripts_when_they_call_redis_then_by_a_name_that_can_be_read() -> None:
    scripts = Scripts()
    unnamed = {
        name for name in scripts.names() if re.search(r"\bp?call\((?!')", scripts[name].source.decode())
    }
    assert unnamed == {"partition.write"}


async def test_given_croupiers_user_when_it_is_asked_about_then_it_lacks_nothing(redis_url: str) -> None:
    transport = Transport(redis_url)
    await transport.open()
    await require_permissions(transport)
    await transport.close()


async def refused(url: str) -> PermissionMissing | Unavailable:
    """What is said to this user, who must be refused."""
    transport = Transport(url)
    try:
        await transport.open()
        await require_permissions(transport)
    except (PermissionMissing, Unavailable) as error:
        return error
    finally:
        await transport.close()
    raise AssertionError("not refused")


async def test_given_a_user_that_lacks_a_command_when_it_is_asked_about_then_that_is_named_and_nothing_was_done(
    redis_url: str, make_user: MakeUser
) -> None:
    for name in COMMANDS:
        refusal = await refused(make_user(*(rule for rule in rules() if rule != f"+{name}")))

        assert isinstance(refusal, Unavailable) == (name in HANDSHAKE)
        assert re.search(f"[' ]{name.replace('|', '[| ]')}[' ]", str(refusal)), name
    with administrator(redis_url) as client:
        assert client.keys() == []


@pytest.mark.parametrize(("without", "named"), [("~", "get {0}:head"), ("&", "publish {0}:live x")])
async def test_given_a_user_without_our_keys_or_channels_when_it_is_asked_about_then_that_is_said(
    make_user: MakeUser, without: str, named: str
) -> None:
    refusal = await refused(make_user(*(rule for rule in rules() if not rule.startswith(without))))

    assert named in str(refusal)


@pytest.mark.parametrize("part", ["serve", "sync", "up"])
def test_given_a_user_that_lacks_a_command_when_a_part_is_started_then_it_names_it_and_does_not_run(
    make_user: MakeUser, tmp_path: Path, part: str
) -> None:
    variables = environment(
        REDIS_URL=make_user(*rules(), "-xtrim"),
        JWT_SECRET_KEY="5f1c9e27a84b03d6e2b7f0c4918a6d35",
        CROUPIER_MASTER_KEYS=f"1:{'ab' * 32}",
        CROUPIER_DATA_DIR=str(tmp_path / "data"),
        CROUPIER_HTTP_PORT="0",
    )
    if part == "sync":
        variables["DATABASE_URL"] = "postgresql://127.0.0.1:1/nobody"

    croupier(part, env=variables).require_refusal("xtrim {0}:head", "ops/redis/users.acl")

    assert not (tmp_path / "data").exists()
