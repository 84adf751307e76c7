"""What the server says of single attempts, by their ids, against the log: it may not know, but is never wrong."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from croupier_schemas.events import Event, EventId
from tests.chaos.load import OPEN_OUTCOMES, Answer, Client, Told

AT_ONCE: Final = 16
TRIES: Final = 20
_PAUSE_S: Final = 0.25
_CLOSE_MAX: Final = 200
"""Attempts whose outcome was clear are looked up in the end too, so many of them."""


def by_attempt(events: Iterable[Event]) -> dict[str, EventId]:
    """The event of each attempt that had one."""
    return {event.header.op_id.hex(): event.id for event in events if event.header.uid}


def attempts(answers: Sequence[Answer]) -> list[str]:
    """Whose outcome was open, and some of the others."""
    named = [answer for answer in answers if answer.op_id]
    left_open = [answer.op_id for answer in named if answer.code in OPEN_OUTCOMES]
    clear = [answer.op_id for answer in named if answer.code not in OPEN_OUTCOMES]
    return left_open + clear[:: 1 + len(clear) // _CLOSE_MAX]


async def looked_up(op_ids: Sequence[str], client: Client) -> list[Told]:
    """What is said of each of them now. Raises AssertionError where one is not answered at all."""
    left, told = iter(op_ids), list[Told]()

    async def look() -> None:
        for op_id in left:
            for _ in range(TRIES):
                if (said := await client.look_up(op_id)) is not None:
                    told.append(said)
                    break
                await asyncio.sleep(_PAUSE_S)
            else:
                raise AssertionError(f"nothing is said of attempt {op_id}")

    await asyncio.gather(*(look() for _ in range(AT_ONCE)))
    return told


def never_wrong(log: dict[str, EventId], told: Iterable[Told]) -> list[str]:
    """What was said at any time: durable events stand, and what was not applied has none."""
    found = []
    for said in told:
        event = log.get(said.op_id)
        lost = event is None and not said.durable
        if said.outcome == "applied" and event != said.event and not lost:
            found.append(f"said of an attempt, whose event is {event}: {said}")
        if said.outcome == "not_applied" and event is not None:
            found.append(f"said of an attempt, whose event is {event}: {said}")
    return found


def known_in_the_end(log: dict[str, EventId], told: Iterable[Told]) -> tuple[Counter[str], list[str]]:
    """What is said when Postgres has everything: of each event that it is applied and durable, of no other attempt.

    Returns what was said how often as well.
    """
    found, tally = [], Counter[str]()
    for said in told:
        tally[said.outcome] += 1
        event = log.get(said.op_id)
        if (event, event is not None) != (said.event, said.outcome == "applied") or said.durable is False:
            found.append(f"said in the end of an attempt, whose event is {event}: {said}")
    return tally, found


def refused_for_good(log: dict[str, EventId], answers: Iterable[Answer]) -> list[str]:
    """An error that says that nothing was done has no event; and the server never fails."""
    found = []
    for answer in answers:
        request = f"{answer.request.path} of player {answer.request.uid}, key {answer.request.key}"
        if answer.status == 500:
            found.append(f"{request}: {answer.data!r}")
        if answer.code and answer.code not in OPEN_OUTCOMES and answer.op_id in log:
            found.append(f"{request}: {answer.code}, though there is event {log[answer.op_id]}")
    return found
