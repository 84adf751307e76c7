"""The publisher over a link that is too slow for its usual batches."""

from collections.abc import Sequence

import pytest

from croupier_schemas.events import Event
from croupier_sync.export.kafka import Producer, Written
from croupier_sync.export.messages import Message
from croupier_sync.export.published import TopicPartition
from croupier_sync.export.turns import Unavailable
from tests.export.support import Exported, repeated

MANAGED = 40
"""Messages that come through within the time that a call has."""


async def test_given_a_link_too_slow_for_whole_batches_when_publishing_then_smaller_ones_come_through(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    send, sizes = Producer.send, []

    async def in_time(self: Producer, messages: Sequence[Message]) -> dict[TopicPartition, Written]:
        sizes.append(len(messages))
        if len(messages) > MANAGED:
            raise Unavailable("Kafka does not answer")
        return await send(self, messages)

    monkeypatch.setattr(Producer, "send", in_time)
    await exported.append(log)
    for event in repeated(log, 400):
        await exported.insert(event)
    async with exported.publisher(batch_max=160):
        await exported.until_published()
    await exported.require_published_once()
    assert sizes[:3] == [160, 80, 40]
    failed = sum(size > MANAGED for size in sizes)
    assert failed < len(sizes) / 2, "what comes through is not followed by twice as much at once"


async def test_given_a_link_that_was_slow_when_it_is_fast_again_then_batches_grow_to_their_usual_size(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    send, sizes = Producer.send, []

    async def fail_first(self: Producer, messages: Sequence[Message]) -> dict[TopicPartition, Written]:
        sizes.append(len(messages))
        if len(sizes) == 1:
            raise Unavailable("Kafka does not answer")
        return await send(self, messages)

    monkeypatch.setattr(Producer, "send", fail_first)
    await exported.append(log)
    for event in repeated(log, 1_000):
        await exported.insert(event)
    async with exported.publisher(batch_max=64):
        await exported.until_published()
    assert sizes[0] == 64
    assert sizes[1] == 32
    assert 64 in sizes[2:]
