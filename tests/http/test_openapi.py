"""The description of the API: complete, consistent, and true."""

from typing import Any

import msgspec
import pytest

from croupier.registry import COMMANDS, QUERIES
from croupier_http.error_examples import example
from croupier_http.openapi import document
from croupier_schemas.errors import ERRORS
from tests.http.support import PULL, Client


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return document()


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def walk(value: Any) -> list[dict[str, Any]]:
    """All objects in it."""
    if isinstance(value, dict):
        return [value, *(found for each in value.values() for found in walk(each))]
    return [found for each in value for found in walk(each)] if isinstance(value, list | tuple) else []


TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "number": int | float, "boolean": bool,
    "null": type(None),
}  # fmt: skip


def fits(description: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is as a schema says, as far as the descriptions here make use of JSON Schema."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return fits(description, description["components"]["schemas"][name], value)
    if "anyOf" in schema:
        return any(fits(description, each, value) for each in schema["anyOf"])
    if "oneOf" in schema:
        return sum(fits(description, each, value) for each in schema["oneOf"]) == 1
    if "enum" in schema:
        return value in schema["enum"]
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        return False
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        if schema.get("items") is False and len(value) > len(first):
            return False
        rest = [schema.get("items", {})] * (len(value) - len(first))
        return all(fits(description, *each) for each in zip([*first, *rest], value, strict=False))
    if isinstance(value, dict):
        members = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        others = others if isinstance(others, dict) else {}
        return set(schema.get("required", [])) <= value.keys() and all(
            fits(description, members.get(name, others), each) for name, each in value.items()
        )
    return True


def test_given_the_declarations_when_described_then_every_one_has_its_operation(
    description: dict[str, Any],
) -> None:
    described = {(method, path) for method, path, _ in operations(description)}

    assert {("POST", command.path) for command in COMMANDS} <= described
    assert {("GET", query.path) for query in QUERIES} <= described
    pull = description["paths"][PULL]["post"]
    assert pull["operationId"] == "games_gacha_pull_v1"


def test_given_the_description_when_read_then_ids_are_unique_and_every_reference_resolves(
    description: dict[str, Any],
) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(ids) == len(set(ids))
    for each in walk(description):
        if "$ref" in each:
            target: Any = description
            for step in each["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            assert isinstance(target, dict)


def test_given_an_operation_when_read_then_it_has_what_openapi_requires(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1.")
    assert {"title", "version"} <= description["info"].keys()
    for _, path, operation in operations(description):
        assert operation["summary"]
        assert operation["responses"]
        for response in operation["responses"].values():
            assert response["description"]
        places = [each["name"] for each in operation["parameters"] if each.get("in") == "path"]
        assert all(f"{{{name}}}" in path for name in places)
        assert path.count("{") == len(places)
        assert all(each.get("required") for each in operation["parameters"] if each.get("in") == "path")
        assert operation["security"] in ([], [{"bearer": []}])
    # What JSON has no words for would make the document unreadable for others.
    assert msgspec.json.decode(msgspec.json.encode(description)) == description
    assert not [each for each in walk(description) if r"\Z" in str(each.get("pattern", ""))]


def test_given_every_error_code_when_described_then_its_example_has_all_its_members() -> None:
    for kind in ERRORS.values():
        body = example(kind)
        assert body["code"] == body["detail"] == kind.code
        assert set(kind.fields) <= body.keys()


def test_given_a_command_when_described_then_its_errors_and_the_common_ones_have_examples(
    description: dict[str, Any],
) -> None:
    for command in COMMANDS:
        responses = description["paths"][command.path]["post"]["responses"]
        codes = {
            code: int(status)
            for status, response in responses.items()
            for code in response["content"]["application/json"].get("examples", {})
        }
        common = (
            "UNAUTHENTICATED",
            "UNSUPPORTED_MEDIA_TYPE",
            "VALIDATION_ERROR",
            "OUTCOME_UNKNOWN",
            "NOT_READY",
        )
        for code in (*command.errors, *common):
            assert codes[code] == ERRORS[code].status


def test_given_the_receipts_when_described_then_the_type_of_the_event_tells_them_apart(
    description: dict[str, Any],
) -> None:
    reply = description["paths"]["/api/fairness/receipts/{event_id}"]["get"]["responses"]["200"]
    schema = reply["content"]["application/json"]["schema"]

    kinds = schema["discriminator"]["mapping"]
    assert schema["discriminator"]["propertyName"] == "type"
    assert set(kinds) == {"gacha.pulled", "slot.spun", "rps.played", "crash.bet_placed", "crash.settled"}
    assert schema["oneOf"] == [{"$ref": reference} for reference in kinds.values()]


async def test_given_a_round_of_each_game_when_its_receipt_is_asked_for_then_it_is_as_described(
    client: Client,
) -> None:
    description = (await client.get("/openapi.json", bearer="")).json
    reply = description["paths"]["/api/fairness/receipts/{event_id}"]["get"]["responses"]["200"]
    schema = reply["content"]["application/json"]["schema"]
    event_ids = []
    for route, body in (
        ("gacha/pull", {}),
        ("slot/spin", {"bet_amount": 100}),
        ("rps/play", {"player_move": "ROCK", "bet_amount": 10}),
        ("crash/bet", {"bet_amount": 10}),
    ):
        played = (await client.post(f"/api/games/{route}", body)).json
        event_ids.append(played["receipt"]["event_id"])
    # Nobody else plays, so the round's end comes next in the log, whoever was first to settle it.
    await client.post("/api/games/crash/cashout", {"game_id": played["game_id"]})
    event_ids.append(f"0-1-{played['receipt']['seq'] + 1}")

    types = []
    for event_id in event_ids:
        found = await client.get(f"/api/fairness/receipts/{event_id}")
        assert found.status == 200
        assert fits(description, schema, found.json), found.body
        types.append(found.json["type"])

    assert types == list(schema["discriminator"]["mapping"])


async def test_given_a_running_server_when_called_as_described_then_it_answers_as_described(
    client: Client,
) -> None:
    description = (await client.get("/openapi.json", bearer="")).json
    assert description == msgspec.json.decode(msgspec.json.encode(document()))

    event_id = (await client.post(PULL)).json["receipt"]["event_id"]
    for method, path, operation in operations(description):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        path = path.replace("{event_id}", event_id)
        reply = await (client.post(path, body) if method == "POST" else client.get(path))

        media_type = reply.headers["Content-Type"].partition(";")[0]
        content = operation["responses"][str(reply.status)]["content"][media_type]
        value = reply.json if media_type == "application/json" else reply.body.decode()
        assert fits(description, content["schema"], value), (path, reply.body)
        assert reply.status == 200 or reply.json["code"] in content["examples"]
