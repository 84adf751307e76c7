"""The comparison of scripts and declarations at start-up: each kind of mismatch is found."""

import shutil
from pathlib import Path

import pytest

import croupier_lua
from croupier import registry
from croupier.contracts import ScriptError
from croupier.scripts import Scripts


def edited(tmp_path: Path, file: str, old: str, new: str) -> Scripts:
    """The real scripts, with one text of one file replaced."""
    root = tmp_path / "lua"
    shutil.copytree(Path(str(croupier_lua.ROOT)), root, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    text = (root / file).read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} stands in {file} {text.count(old)} times"
    (root / file).write_text(text.replace(old, new))
    return Scripts(root)


def test_given_the_real_scripts_when_compared_then_they_fit() -> None:
    registry.check(Scripts())


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("gacha/pull.lua", "pool:<banner>   ", "pools:<banner>  ", "pools:<banner>"),
        ("economy/push.lua", "pool:<banner>...", "stock:<banner>...", "stock:<banner>"),
        ("include/gate.lua", "outbox:<fence>", "events:<fence>", "events:<fence>"),
        ("gacha/pull.lua", "-- @arg   cost            int", "-- @arg   price           int", "price"),
        ("gacha/pull.lua", "-- @arg   cost            int", "-- @arg   cost            text", "cost"),
        ("gacha/pull.lua", "-- @arg   items           text", "-- @arg   items           int", "items"),
        ("gacha/pull.lua", "-- @arg   cost            int", "--", "cost"),
        ("gacha/pull.lua", "-- @error DAILY_GACHA_LIMIT used\n", "", "DAILY_GACHA_LIMIT"),
        ("fairness/rotate.lua", "-- @stage gate\n", "", "gate, player and commit"),
        (
            "crash/settle.lua",
            "-- @flag  allow-oom\n",
            "",
            "crash.settle: what ends something has the flag allow-oom",
        ),
        (
            "slot/spin.lua",
            "-- @emits slot.spun\n",
            "-- @emits slot.spun\n-- @flag allow-oom\n",
            "slot.spin: what ends",
        ),
        ("include/gate.lua", "-- @arg not_after_ms ", "-- @arg deadline_ms ", "not_after_ms"),
    ],
)
def test_given_a_script_that_has_drifted_when_compared_then_the_error_says_what_differs(
    tmp_path: Path, file: str, old: str, new: str, why: str
) -> None:
    scripts = edited(tmp_path, file, old, new)

    with pytest.raises(ScriptError) as refused:
        registry.check(scripts)

    assert why in str(refused.value)


def test_given_two_arguments_in_another_order_when_compared_then_it_is_found(tmp_path: Path) -> None:
    day = "-- @arg   day             int                    the day that now falls on, in days since 1970-01-01\n"
    text = Path(str(croupier_lua.ROOT), "gacha/pull.lua").read_text("utf-8")
    following = text.split(day)[1].split("\n")[0] + "\n"
    scripts = edited(tmp_path, "gacha/pull.lua", day + following, following + day)

    with pytest.raises(ScriptError, match="declares the arguments"):
        registry.check(scripts)
