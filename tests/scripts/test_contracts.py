"""The contract at the head of a script: what is wrong with it is said with file and line."""

import re
import struct

import pytest

from croupier.contracts import ScriptError
from tests.scripts.conftest import Tree

BODY = "return {'OK'}\n"


def refusal(tree: Tree, draw: str, **includes: str) -> str:
    with pytest.raises(ScriptError) as refused:
        tree(draw, **includes)
    return str(refused.value)


# What is wrong with one line.


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-- @include nothing", "include/nothing.lua does not exist"),
        ("-- @include twice twice", "include 'twice' is listed twice"),
        ("-- @stat player player:<uid>", "unknown directive @stat"),
        ("-- @state wallet wallet:<uid>", "no layout 'wallet'"),
        ("-- @arg table gacha_tables", "no layout 'gacha_tables'"),
        ("-- @arg count integer", "no layout 'integer'"),
        ("-- @record draw draws", "no layout 'draws'"),
        ("-- @key", "@key needs a name"),
        ("-- @key pool", "@key needs a name in lower case and what it stands for"),
        ("-- @arg Count int", "@arg needs a name in lower case and what it stands for"),
        ("-- @arg 1st int", "@arg needs a name in lower case and what it stands for"),
        ("-- @emits", "@emits needs a name"),
        ("-- @error", "@error needs a name"),
        ("-- @flag fast", "no flag 'fast'; there are allow-oom"),
    ],
)
def test_given_a_wrong_directive_when_the_script_is_read_then_the_error_names_file_and_line(
    tree: Tree, line: str, why: str
) -> None:
    message = refusal(tree, f"-- Draws.\n-- @key pool pool:<banner>\n{line}\n{BODY}", twice="-- Twice.\n")

    assert message.startswith("game/draw.lua:3: ") and why in message


def test_given_a_wrong_directive_in_an_include_when_read_then_the_error_names_that_file(tree: Tree) -> None:
    message = refusal(tree, f"-- Draws.\n-- @include part\n{BODY}", part="-- A part.\n-- @args n int\n")

    assert message == "include/part.lua:2: unknown directive @args"


def test_given_a_stage_that_is_missing_when_read_then_the_error_names_file_and_line(tree: Tree) -> None:
    message = refusal(tree, f"-- Draws.\n\nlocal x = 1\n-- @stage gate\n{BODY}")

    assert message == "game/draw.lua:4: include/gate.lua does not exist"


def test_given_a_stage_that_stands_there_twice_when_read_then_the_error_names_the_second_line(
    tree: Tree,
) -> None:
    text = f"-- Draws.\n-- @stage gate\n\n-- @stage part\nlocal x = 1\n  -- @stage part\n{BODY}"
    message = refusal(tree, text.replace("-- @stage gate\n", ""), part="-- A part.\nx = 2\n")

    assert message == "game/draw.lua:5: stage 'part' stands there twice"


@pytest.mark.parametrize("text", ["", "return 1\n", "--\n-- @key pool pool:<banner>\nreturn 1\n"])
def test_given_no_sentence_at_its_head_when_read_then_a_script_is_refused(tree: Tree, text: str) -> None:
    assert refusal(tree, text).startswith("game/draw.lua:1: a script begins with a comment line")


# What is wrong between files.


def test_given_includes_that_include_each_other_when_read_then_the_error_shows_the_circle(tree: Tree) -> None:
    message = refusal(
        tree,
        f"-- Draws.\n-- @include one\n{BODY}",
        one="-- One.\n-- @include two\n",
        two="-- Two.\n-- @include one\n",
    )

    assert message.startswith("include/one.lua")
    assert "cyclic include" in message
    assert "game/draw.lua -> include/one.lua -> include/two.lua -> include/one.lua" in message


def test_given_an_include_of_itself_when_read_then_it_is_cyclic(tree: Tree) -> None:
    message = refusal(tree, f"-- Draws.\n-- @include one\n{BODY}", one="-- One.\n-- @include one\n")

    assert message.startswith("include/one.lua") and "cyclic include" in message


def test_given_a_stage_within_an_include_when_read_then_it_is_refused(tree: Tree) -> None:
    stage = "-- One.\n-- @arg n int\n\n-- @stage two\n"
    message = refusal(tree, f"-- Draws.\n\n-- @stage one\n{BODY}", one=stage, two="-- Two.\n")

    assert "include/one.lua" in message and "only a script has stages" in message


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("-- @key pool pool:<banner>", "-- @key pool other:<banner>"),
        ("-- @arg count int", "-- @arg count text"),
        ("-- @key count pool:<banner>", "-- @arg count int"),
        ("-- @state player player:<uid>", "-- @record player gacha_draw"),
    ],
)
def test_given_a_name_declared_twice_when_read_then_the_error_says_which_and_where(
    tree: Tree, mine: str, theirs: str
) -> None:
    name = mine.split()[2]

    in_stage = refusal(tree, f"-- Draws.\n{mine}\n\n-- @stage part\n{BODY}", part=f"-- A part.\n{theirs}\n")
    assert in_stage.startswith("game/draw.lua") and f"declared twice: {name}" in in_stage


def test_given_a_name_declared_twice_in_one_file_when_read_then_it_is_refused(tree: Tree) -> None:
    message = refusal(tree, f"-- Draws.\n-- @arg n int\n-- @arg n int\n{BODY}")

    assert message.startswith("game/draw.lua") and "declared twice: n" in message


@pytest.mark.parametrize(
    "lines", ["-- @arg rest text...\n-- @arg more text", "-- @key pools pool:<banner>...\n-- @key head head"]
)
def test_given_something_after_what_takes_the_rest_when_read_then_it_is_refused(
    tree: Tree, lines: str
) -> None:
    message = refusal(tree, f"-- Draws.\n{lines}\n{BODY}")

    assert "only the last key or argument may take all further ones" in message


@pytest.mark.parametrize("call", ["nothing_pack()", "draw_pack_volatile()", "x_pack()"])
def test_given_a_pack_of_no_record_when_read_then_it_is_refused(tree: Tree, call: str) -> None:
    message = refusal(tree, f"-- Draws.\n-- @record draw gacha_draw\nreturn {call}\n")

    assert message.startswith("game/draw.lua") and call in message


# What a sound contract gives.


def test_given_stages_and_includes_when_read_then_keys_and_arguments_come_in_their_order(tree: Tree) -> None:
    script = tree(
        "-- Draws.\n-- @include helpers\n-- @key own head\n-- @arg last int\n-- @error MINE a b\n"
        "-- @emits game.drawn\n\n-- @stage gate\nreturn {'OK'}\n",
        helpers="-- Helpers.\n-- @arg first int\nlocal function f() end\n",
        gate="-- A gate.\n-- @key outbox outbox:<fence>\n-- @arg second text\n-- @error THEIRS\nlocal y = 1\n",
    )["game.draw"]

    assert [key.name for key in script.keys] == ["outbox", "own"]
    assert [argument.name for argument in script.arguments] == ["first", "second", "last"]
    assert script.errors == {"THEIRS": (), "MINE": ("a", "b")}
    assert (script.emits, script.summary) == ("game.drawn", "Draws.")
    text = script.source.decode()
    assert text.startswith("#!lua\n")
    assert text.index("local function f()") < text.index("local y = 1") < text.index("return {'OK'}")


@pytest.mark.parametrize(
    ("flag", "first"), [("", "#!lua\n"), ("-- @flag allow-oom\n", "#!lua flags=allow-oom\n")]
)
def test_given_a_flag_when_read_then_the_server_is_told_it(tree: Tree, flag: str, first: str) -> None:
    script = tree(f"-- Draws.\n{flag}{BODY}")["game.draw"]

    assert script.source.decode().startswith(first)
    assert script.flags == frozenset(flag.split()[2:])


def test_given_an_include_that_two_others_need_when_read_then_it_is_pasted_once(tree: Tree) -> None:
    script = tree(
        f"-- Draws.\n-- @include one two\n{BODY}",
        one="-- One.\n-- @include both\nlocal one = 1\n",
        two="-- Two.\n-- @include both\nlocal two = 2\n",
        both="-- Both.\nlocal both = 3\n",
    )["game.draw"]

    assert script.source.count(b"local both = 3") == 1
    assert script.source.index(b"local both") < script.source.index(b"local one")


def test_given_arguments_when_bound_then_integers_travel_packed_and_texts_as_they_are(tree: Tree) -> None:
    script = tree(f"-- Draws.\n-- @arg a int\n-- @arg t text\n-- @arg b int\n{BODY}")["game.draw"]

    assert script.argv(1, "text", 2**53 - 1) == [struct.pack(">QQ", 1, 2**53 - 1), "text"]
    wrong_values: list[tuple[int | str, ...]] = [
        (1, "text", -1), (1, "text", 2**64), (1, "text", "2"), ("1", "text", 2),
    ]  # fmt: skip
    for wrong in wrong_values:
        with pytest.raises(struct.error):
            script.argv(*wrong)


def test_given_a_key_pattern_when_filled_then_a_missing_place_is_an_error(tree: Tree) -> None:
    script = tree(f"-- Draws.\n-- @key pool pool:<banner>\n-- @key head head\n{BODY}")["game.draw"]

    assert script.key_names({"p": "3", "banner": "main"}) == ["{3}:pool:main", "{3}:head"]
    with pytest.raises(KeyError):
        script.key_names({"p": "3"})


def test_given_two_trees_when_one_byte_differs_then_the_bundles_do(tree: Tree) -> None:
    one = tree(f"-- Draws.\n{BODY}")
    same = tree(f"-- Draws.\n{BODY}")
    other = tree("-- Draws.\nreturn {'Ok'}\n")

    assert one.bundle == same.bundle != other.bundle
    assert re.fullmatch("[0-9a-f]{64}", one.bundle)
