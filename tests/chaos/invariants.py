"""What must be true when everything runs again: of the answers, of the log, of Redis. Each check returns sentences."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import asyncpg

from croupier.event_log import event_of_row
from croupier_schemas.events import Event, EventId
from tests.chaos.faults import Loss
from tests.chaos.load import Answer, Client, Request

AT_ONCE: Final = 16
TRIES: Final = 20
_PAUSE_S: Final = 0.25
_IN_FLIGHT_S: Final = 5.0
"""Replies that Valkey gave before it was killed reach their players later than that, on a machine with much to do."""


class Logged(NamedTuple):
    """Of an event: its player, idempotency key and attempt."""

    uid: int
    key: str
    op_id: str


Log = dict[EventId, Logged]
"""All events in Postgres."""

_EVENTS = """
SELECT partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules,
  terms, result, changes
FROM events ORDER BY partition, epoch, seq
"""


class Tail(NamedTuple):
    """Answers of fast mode whose event is gone, that fit a loss. Ages are seconds before the server was gone.

    `oldest_s` is that of the first one; a negative one was answered by an older server after a return to it.
    """

    loss: Loss
    answers: int
    oldest_s: float
    newest_s: float


async def read_events(connection: asyncpg.Connection) -> list[Event]:
    """All events in Postgres, in their order."""
    rows = await connection.fetch(_EVENTS)
    return [event_of_row(EventId(row["partition"], row["epoch"], row["seq"]), row) for row in rows]


def log_of(events: Iterable[Event]) -> Log:
    """What the checks need of them."""
    return {
        event.id: Logged(event.header.uid, event.header.idempotency_key, event.header.op_id.hex())
        for event in events
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
    """No key has two events, and no attempt."""
    players = [each for each in log.values() if each.uid]
    keys = Counter((each.uid, each.key) for each in players if each.key)
    attempts = Counter(each.op_id for each in players)
    found = [f"player {uid}, key {key}: {count} events" for (uid, key), count in keys.items() if count > 1]
    return found + [f"attempt {op_id}: {count} events" for op_id, count in attempts.items() if count > 1]


def held(log: Log, answer: Answer) -> bool:
    """Whether Postgres has the event of a reply, and it is this request's."""
    assert answer.event is not None
    logged = log.get(answer.event)
    return (
        logged is not None
        and (logged.uid, logged.key) == (answer.request.uid, answer.request.logged_key)
        and (answer.replayed or logged.op_id == answer.op_id)
    )


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


def lost_tails(log: Log, answers: Sequence[Answer], losses: Sequence[Loss]) -> tuple[list[Tail], list[str]]:
    """What fast mode has lost: the ends of epochs, no more of them than losses, answered while that was to be lost."""
    lost = [answer for answer in with_events(answers) if not answer.strict and not held(log, answer)]
    ends: dict[tuple[int, int], int] = defaultdict(lambda: -1)
    for event in log:
        place = event.partition, event.epoch
        ends[place] = max(ends[place], event.seq)
    found, epochs = [], set()
    ages: dict[Loss, list[float]] = defaultdict(list)
    for answer in lost:
        gone = answer.event
        assert gone is not None
        epochs.add((gone.partition, gone.epoch))
        if gone.seq <= ends[gone.partition, gone.epoch]:
            found.append(f"lost, though a later event of its epoch is not: {_name(answer)}")
        fitting = [
            each for each in losses if each.since_s <= answer.at_s <= each.until_s + _IN_FLIGHT_S
        ]  # fmt: skip
        if not fitting:
            found.append(f"lost, though nothing had gone that was written then: {_name(answer)}")
            continue
        loss = min(fitting, key=lambda each: (each.at_s < answer.at_s, abs(each.at_s - answer.at_s)))
        ages[loss].append(loss.at_s - answer.at_s)
    if len(epochs) > len(losses):
        found.append(f"{len(epochs)} tails were lost in {len(losses)} losses: {sorted(epochs)}")
    tails = [Tail(loss, len(each), max(each), min(each)) for loss, each in ages.items()]
    return tails, found


def all_held(log: Log, answers: Sequence[Answer]) -> list[str]:
    """Where nothing was broken, every event of a reply is in Postgres."""
    return [f"not in Postgres: {_name(each)}" for each in with_events(answers) if not held(log, each)]


def in_order(log: Log, answers: Sequence[Answer]) -> list[str]:
    """Who was answered before another one asked stands before that one in the log, if both stand there."""
    firsts = [answer for answer in with_events(answers) if not answer.replayed and held(log, answer)]
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
        if answer.request.logged_key:
            by_request[answer.request.uid, answer.request.logged_key].append(answer)
    found: list[str] = []
    tally: Counter[str] = Counter()
    standing = {(each.uid, each.key) for each in log.values()}
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
        return "refused, or nothing to do, when asked again"
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
