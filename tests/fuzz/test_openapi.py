"""Requests made of the OpenAPI document, valid ones and others: each is answered as the document says."""

import http
from collections import Counter
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.raw_support import EXAMPLES, SEED, under_fire
from tests.http.support import token

PLAYERS: Final = (token(4_242), token(4_243, role="admin"), "")
"""A player, an administrator, and a stranger."""
_CHECKS: Final[Any] = [status_code_conformance, content_type_conformance, response_schema_conformance]
_TIMEOUT_S: Final = 30.0


def every_operation(port: int) -> Counter[int]:
    """Ask for each operation of the document; how often each status was answered."""
    statuses: Counter[int] = Counter()
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) > 40
    for operation in operations:
        before = statuses.total()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _ask(operation, mode, statuses)
        assert statuses.total() > before, f"{operation.label} was not asked for"
    return statuses


def _ask(operation: Any, mode: GenerationMode, statuses: Counter[int]) -> None:
    @seed(SEED)
    @settings(
        max_examples=max(2, EXAMPLES // 16),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), bearer=st.sampled_from(PLAYERS))
    def ask(case: Any, bearer: str) -> None:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        response = case.call(headers=headers, timeout=_TIMEOUT_S)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=_CHECKS)
        # What this server does not have, ClickHouse for one, is answered so; nothing else of this kind is.
        assert response.status_code < 500 or response.json()["code"] == "NOT_READY", response.text

    ask()


async def test_given_requests_made_of_the_document_when_sent_then_each_is_answered_as_it_says_and_all_is_sound(
    redis_url: str, database_url: str
) -> None:
    async with under_fire(redis_url, database_url) as fire:
        statuses: Counter[int] = Counter()
        await fire.run(lambda: statuses.update(every_operation(fire.port)))
        for status in (
            http.HTTPStatus.OK,
            http.HTTPStatus.UNAUTHORIZED,
            http.HTTPStatus.UNPROCESSABLE_ENTITY,
        ):
            assert statuses[status], statuses
