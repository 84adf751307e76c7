"""What must be true when everything runs again: of the answers, of the log, of Redis. Each check returns sentences."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import asyncpg

from croupier_schemas.events import EventId
from tests.chaos.faults import Cut
from tests.chaos.load import Answer, Client, Request

AT_ONCE: Final = 16
TRIES: Final = 20
_PAUSE_S: Final = 0.25
_IN_FLIGHT_S: Final = 0.5
"""Replies that Valkey gave before it was killed reach their players later than that, but not much."""

Log = dict[EventId, tuple[int, str]]
"""Player and idempotency key of each event in Postgres."""

_EVENTS = "SELECT partition, epoch, seq, uid, idempotency_key FROM events ORDER BY partition, epoch, seq"


class Lost(NamedTuple):
    """Answers of fast mode whose event is gone."""

    answers: list[Answer]

    @property
    def epochs(self) -> set[tuple[int, int]]:
        """Partition and epoch of each tail that was lost."""
        return {(event.partition, event.epoch) for answer in self.answers if (event := answer.event)}

    def oldest_s(self, cuts: Sequence[Cut]) -> float:
        """How long before the truncation the first of them was answered, in seconds; 0 where none was lost."""
        ages = [
            min(
                (cut.at_s - answer.at_s for cut in cuts if cut.at_s + _IN_FLIGHT_S > answer.at_s), default=0.0
            )
            for answer in self.answers
        ]
        return max([0.0, *ages])


async def read_log(connection: asyncpg.Connection) -> Log:
    """All events in Postgres, in their order."""
    rows = await connection.fetch(_EVENTS)
    return {
        EventId(row["partition"], row["epoch"], row["seq"]): (row["uid"], row["idempotency_key"])
        for row in rows
    }


def gapless(log: Log) -> list[str]:
    """`seq` counts from 0 within each partition and epoch."""
    found = []
    for place, events in groupby(sorted(log), key=lambda event: (event.partition, event.epoch)):
        numbers = [event.seq for event in events]
        if numbers != list(range(len(numbers))):
            found.append(f"epoch {place} has a gap: {len(numbers)} events up to number {numbers[-1]}")
    return found


def once_per_key(log: Log) -> list[str]:
    """No key has two events."""
    counted = Counter(owner for owner in log.values() if owner[1])
    return [f"player {uid}, key {key}: {count} events" for (uid, key), count in counted.items() if count > 1]


def held(log: Log, answer: Answer) -> bool:
    """Whether Postgres has the event of a reply, and it is this request's."""
    assert answer.event is not None
    return log.get(answer.event) == (answer.request.uid, answer.request.logged_key)


def with_events(answers: Iterable[Answer]) -> list[Answer]:
    """Those that name an event."""
    return [answer for answer in answers if answer.event is not None]


def strict_held(log: Log, answers: Sequence[Answer]) -> list[str]:
    """Every strict 2xx is in Postgres."""
    return [
        f"strict, and not in Postgres: {_name(answer)}"
        for answer in with_events(answers)
        if answer.strict and not held(log, answer)
    ]


def lost_tails(log: Log, answers: Sequence[Answer], cuts: Sequence[Cut]) -> tuple[Lost, list[str]]:
    """What fast mode has lost. Each loss is the end of an epoch, and there are no more of them than truncations."""
    lost = Lost([answer for answer in with_events(answers) if not answer.strict and not held(log, answer)])
    ends: dict[tuple[int, int], int] = defaultdict(lambda: -1)
    for event in log:
        place = event.partition, event.epoch
        ends[place] = max(ends[place], event.seq)
    found = []
    for answer in lost.answers:
        gone = answer.event
        assert gone is not None
        if gone.seq <= ends[gone.partition, gone.epoch]:
            found.append(f"lost, though a later event of its epoch is not: {_name(answer)}")
    if len(lost.epochs) > len(cuts):
        found.append(f"{len(lost.epochs)} tails were lost in {len(cuts)} truncations: {sorted(lost.epochs)}")
    return lost, found


def in_order(answers: Sequence[Answer]) -> list[str]:
    """Who was answered before another one asked stands before that one in the log."""
    firsts = [answer for answer in with_events(answers) if not answer.replayed]
    steps = sorted(
        [(answer.asked, False, answer) for answer in firsts]
        + [(answer.answered, True, answer) for answer in firsts],
        key=lambda step: step[0],
    )
    found, newest = [], EventId(0, 0, -1)
    before_asked: dict[int, EventId] = {}
    for place, is_answer, answer in steps:
        event = answer.event
        assert event is not None
        if not is_answer:
            before_asked[place] = newest
            continue
        if event <= before_asked[answer.asked]:
            found.append(
                f"{_name(answer)} does not follow {before_asked[answer.asked]}, answered before it was asked"
            )
        newest = max(newest, event)
    return found


async def asked_again(log: Log, answers: Sequence[Answer], client: Client) -> tuple[Counter[str], list[str]]:
    """Under each key the reply whose event stands is given again, byte for byte; any other key has one effect.

    Returns what became of the keys as well. Changes the state of those that were lost or never answered.
    """
    by_request: dict[tuple[int, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        by_request[answer.request.uid, answer.request.logged_key].append(answer)
    found: list[str] = []
    tally: Counter[str] = Counter()
    standing = set(log.values())
    left = iter(by_request.items())

    async def ask() -> None:
        for owner, given in left:
            again = await _until_answered(client, given[0].request)
            tally[await _judge(log, client, given, again, owner in standing, found)] += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return tally, found


async def _judge(
    log: Log, client: Client, given: list[Answer], again: Answer, stands: bool, found: list[str]
) -> str:
    """What became of one key, after it was asked for again."""
    replies = {answer.data for answer in with_events(given) if held(log, answer)}
    if len(replies) > 1:
        found.append(f"two replies to one key: {_name(given[0])}")
    if stands:
        if not again.replayed or (replies and again.data not in replies):
            found.append(f"another reply when asked again: {_name(again)}, first {sorted(replies)}")
        return "same reply" if replies else "applied, and told when asked again"
    if not again.ok or again.event is None:
        return "refused when asked again"
    twice = await _until_answered(client, again.request)
    if not twice.replayed or twice.data != again.data:
        found.append(f"a second effect when asked twice again: {_name(twice)}")
    return "lost, done once more" if with_events(given) else "never applied, done when asked again"


async def _until_answered(client: Client, request: Request) -> Answer:
    for _ in range(TRIES):
        answer = await client.ask(request)
        if 0 < answer.status < 500:
            break
        await asyncio.sleep(_PAUSE_S)
    return answer


def _name(answer: Answer) -> str:
    request = answer.request
    return f"{request.path} of player {request.uid}, key {request.key}, event {answer.event}, status {answer.status}"
