"""The table of operations, against what the server declares."""

import inspect
from typing import Any

import msgspec
import pytest

from croupier.registry import ACTIONS, BATCHES, COMMANDS, QUERIES
from croupier.scripts import Scripts
from croupier_client import Client, Stream
from croupier_client.methods import CommandMethods, HttpMethods
from croupier_client.operations import OF_EVENT, OPERATIONS
from croupier_http.console.operations import OPERATIONS as SERVERS

DECLARED: dict[str, tuple[str, Any, Any, Any]] = {
    **{each.name: ("command", each.path, each.request, each.reply) for each in COMMANDS},
    **{each.name: ("batch", each.path, each.request, each.reply) for each in BATCHES},
    **{each.name: ("action", each.path, each.request, each.reply) for each in ACTIONS},
    **{each.name: ("query", each.path, each.params, each.reply) for each in (*QUERIES, SERVERS)},
}


def shape(struct: Any) -> list[tuple[str, object]]:
    """Names and defaults of a struct's fields."""
    return [(field.name, field.default) for field in msgspec.structs.fields(struct)]


def test_given_the_declarations_when_compared_then_the_client_has_all_of_them_and_no_others() -> None:
    assert OPERATIONS.keys() == DECLARED.keys()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_given_an_operation_when_compared_with_the_declaration_then_both_say_the_same(name: str) -> None:
    operation, (kind, path, request, reply) = OPERATIONS[name], DECLARED[name]

    assert (operation.kind, operation.path, operation.reply) == (kind, path, reply)
    assert shape(operation.request) == shape(request)


def test_given_the_scripts_when_compared_then_the_client_knows_each_command_s_event() -> None:
    scripts = Scripts()

    assert {event: operation.name for event, operation in OF_EVENT.items()} == {
        scripts[command.name].emits: command.name for command in COMMANDS
    }


def test_given_the_table_then_there_is_a_method_for_each_operation_with_its_arguments() -> None:
    methods = [
        method
        for kind in (CommandMethods, HttpMethods)
        for name, method in vars(kind).items()
        if callable(method)
    ]
    documented = {(method.__doc__ or "").partition("\n")[0] for method in methods}

    assert len(methods) == len(OPERATIONS)
    assert documented == {operation.summary for operation in OPERATIONS.values()}
    for kind in (Client, Stream):
        assert list(inspect.signature(kind.pull).parameters) == [
            "self",
            "count",
            "banner",
            "use_premium_currency",
        ]
