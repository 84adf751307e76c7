"""What must be true when everything runs again: of the log, Redis, the mirror, and all that players were told."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from croupier.crash.cashout import CASHOUT
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier_schemas import keys
from croupier_schemas.events import Event, EventId, decode_entry
from croupier_schemas.records import LAYOUTS
from croupier_sync.mirror import fold
from tests.simulation.players import NOTHING_DONE, OK, REFUSALS, TRY_AGAIN, Attempt, Front
from tests.simulation.replay import EpochCasino, events_of, replay
from tests.simulation.valkey.log import Log
from tests.simulation.valkey.store import Store
from tests.simulation.world import World

History = list[tuple[EventId, bytes]]
"""Events of a server in their order, each with the attempt that caused it."""

State = dict[tuple[str, str], bytes]
"""Values by key and field; the field is empty for a whole key."""


def broken(world: World, front: Front) -> list[str]:
    """Everything that is not as it must be, in sentences."""
    rows = world.postgres.rows("events")
    events = events_of(rows)
    held = {event.id: event for event in events}
    histories = [history for log in world.histories for history in histories_of(log)]
    attempts = _unambiguous(front.attempts, histories)
    casino, found = replay(events, front.by_op, attempts)
    return [
        *found,
        *_gapless(events),
        *_once(events),
        *_no_faults(front.attempts),
        *_nothing_done(held, attempts, histories),
        *_strict_held(held, attempts),
        *_strict_told(events, attempts),
        *_lost_are_suffixes(held, histories),
        *_same_replies(held, attempts),
        *_in_order(held, attempts),
        *_verdicts(held, front),
        *(_states(world, events, casino) if not found else ()),
        *(_books(events, casino) if not found else ()),
        *_nothing_buried(world),
    ]


def histories_of(log: Log) -> "list[History]":
    """What the log's server appended to its outboxes; where a healer drops one, another history begins."""
    histories: list[History] = [[]]
    for effects in log.units:
        for effect in effects:
            if effect[0] == b"XADD":
                event = decode_entry(0, effect[2], effect[3:])
                histories[-1].append((event.id, event.header.op_id))
            elif effect == (b"DEL", keys.outbox_closed(0).encode()):
                histories.append([])
    return histories


def _unambiguous(attempts: Sequence[Attempt], histories: "Sequence[History]") -> list[Attempt]:
    """Without repeated replies that name an event of which two histories have different ones.

    Only there a reply does not tell which of them it is about. Such events come from a server that was demoted,
    promoted again, and written to before anybody had noticed; all but one of them are lost.
    """
    owners: dict[EventId, set[bytes]] = defaultdict(set)
    for history in histories:
        for event, op_id in history:
            owners[event].add(op_id)
    return [
        each for each in attempts if not each.replayed or each.event is None or len(owners[each.event]) < 2
    ]


def _nothing_buried(world: World) -> list[str]:
    return [
        *(f"a projection failed: {row}" for row in world.postgres.rows("projection_failures")),
        *(f"the model Postgres cannot do this: {what}" for what in world.postgres.not_modelled),
    ]


def _gapless(events: Sequence[Event]) -> list[str]:
    found = []
    for place, group in groupby(events, key=lambda event: (event.id.partition, event.id.epoch)):
        numbers = [event.id.seq for event in group]
        if numbers != list(range(len(numbers))):
            found.append(f"epoch {place} has gaps: {numbers}")
    return found


def _once(events: Sequence[Event]) -> list[str]:
    by_key = Counter(
        (each.header.uid, each.header.idempotency_key) for each in events if each.header.idempotency_key
    )
    by_op = Counter(each.header.op_id for each in events)
    return [f"{count} events under the key {key}" for key, count in by_key.items() if count > 1] + [
        f"{count} events of the attempt {op.hex()}" for op, count in by_op.items() if count > 1
    ]


def _no_faults(attempts: Sequence[Attempt]) -> list[str]:
    return [
        f"{_name(each)} was answered with {each.status}"
        for each in attempts
        if each.status not in TRY_AGAIN | REFUSALS | {OK}
    ]


def _nothing_done(
    log: Mapping[EventId, Event], attempts: Sequence[Attempt], histories: "Sequence[History]"
) -> list[str]:
    """Who was told that nothing was done, by an error that says so, has done nothing; not even what was lost then."""
    standing = {event.header.op_id for event in log.values()}
    ever = {op_id for history in histories for _, op_id in history}
    return [
        f"said to have done nothing, by {each.status}: {_name(each)}"
        for each in attempts
        if (each.status in NOTHING_DONE and each.op_id in ever)
        or (each.status == "NOT_APPLIED" and each.op_id in standing)
    ]


def _held(log: Mapping[EventId, Event], attempt: Attempt) -> bool:
    """Whether Postgres has the event of a reply: this attempt's, or, of a replay, this request's."""
    assert attempt.event is not None
    event, request = log.get(attempt.event), attempt.request
    if event is None:
        return False
    header = event.header
    owned = (header.uid, header.idempotency_key) == (request.uid, request.logged_key)
    return owned and (attempt.replayed or header.op_id == attempt.op_id)


def _with_events(attempts: Sequence[Attempt]) -> list[Attempt]:
    return [each for each in attempts if each.event is not None]


def _strict_held(log: Mapping[EventId, Event], attempts: Sequence[Attempt]) -> list[str]:
    return [
        f"strict, and not in Postgres: {_name(each)}"
        for each in _with_events(attempts)
        if each.strict and not _held(log, each)
    ]


_TOLD: Final = {
    START.name: ("session.started", "session_id"),
    END.name: ("session.ended", "session_id"),
    CASHOUT.name: ("crash.settled", "game_id"),
}
"""Commands that may find nothing left to do: the event by which that is so, and the id in the reply that it names."""


def _strict_told(events: Sequence[Event], attempts: Sequence[Attempt]) -> list[str]:
    """A strict reply without an event of its own speaks of a session or a round that the log has as it says."""
    by_type: dict[tuple[int, str], list[Event]] = defaultdict(list)
    for event in events:
        by_type[event.header.uid, event.header.type].append(event)
    found = []
    for each in attempts:
        if each.strict and each.status == OK and each.event is None:
            type_, field = _TOLD[each.request.command.name]
            told = bytes.fromhex(msgspec.json.decode(each.data)[field].rpartition("-")[2])
            if not any(
                told in (change.value or b"")
                for event in by_type[each.request.uid, type_]
                for change in event.changes
            ):
                found.append(f"strict, and no {type_} in Postgres is about {told.hex()}: {_name(each)}")
    return found


def _lost_are_suffixes(log: Mapping[EventId, Event], histories: "Sequence[History]") -> list[str]:
    """Of every history that a server ever had Postgres holds a beginning of each epoch, and the rest is lost."""
    found = []
    for history in histories:
        lost: dict[int, EventId] = {}
        for event, op_id in history:
            if event in log and log[event].header.op_id == op_id:
                if event.epoch in lost:
                    found.append(f"event {lost[event.epoch]} is lost, and {event}, which followed it, is not")
            else:
                lost.setdefault(event.epoch, event)
    return found


def _same_replies(log: Mapping[EventId, Event], attempts: Sequence[Attempt]) -> list[str]:
    """Under one key one reply, but for those whose event is lost; and after a reply that stands no other one."""
    replies: dict[tuple[int, str], set[bytes]] = defaultdict(set)
    for each in _with_events(attempts):
        if each.request.logged_key and _held(log, each):
            replies[each.request.uid, each.request.logged_key].add(each.data)
    return [
        f"two replies under the key {key}: {sorted(given)}"
        for key, given in replies.items()
        if len(given) > 1
    ]


def _in_order(log: Mapping[EventId, Event], attempts: Sequence[Attempt]) -> list[str]:
    """Who was answered before another one asked stands before that one in the log."""
    firsts = [each for each in _with_events(attempts) if not each.replayed and _held(log, each)]
    steps = sorted(
        [(each.asked, False, each) for each in firsts] + [(each.answered, True, each) for each in firsts],
        key=lambda step: step[:2],
    )
    found, newest = [], EventId(0, 0, -1)
    before_asked: dict[int, EventId] = {}
    for place, is_answer, each in steps:
        assert each.event is not None
        if not is_answer:
            before_asked[place] = newest
            continue
        if each.event <= before_asked[each.asked]:
            found.append(
                f"{_name(each)} does not follow {before_asked[each.asked]}, answered before it was asked"
            )
        newest = max(newest, each.event)
    return found


def _verdicts(log: Mapping[EventId, Event], front: Front) -> list[str]:
    """What was said of attempts holds for ever; an event that Postgres did not have yet may have been lost."""
    by_op = {event.header.op_id: event for event in log.values()}
    found = []
    for verdict in front.verdicts:
        event = by_op.get(verdict.attempt.op_id)
        if verdict.outcome == "not_applied" and event is not None:
            found.append(f"said to be not applied, and it is event {event.id}: {_name(verdict.attempt)}")
        if verdict.outcome == "applied" and verdict.durable and str(event and event.id) != verdict.event_id:
            found.append(
                f"said to be event {verdict.event_id} for good, and it is not: {_name(verdict.attempt)}"
            )
    return found


def _states(world: World, events: Sequence[Event], casino: EpochCasino) -> list[str]:
    """Redis = the fold of the events = the mirror = the model."""
    images: State = {}
    for event in events:
        gone, changed = fold([event])
        images = {place: value for place, value in images.items() if place[0] not in gone}
        images |= {place: image.value for place, image in changed.items()}
    mirror = {(row["key"], row["field"]): row["value"] for row in world.postgres.rows("mirror")}
    model = {
        (name, field): value
        for name, held in casino.state().items()
        for field, value in (held if isinstance(held, dict) else {"": held}).items()
    }
    redis = _in_redis(world.valkey.store)
    found = []
    for name, state in (("the mirror", mirror), ("Redis", redis), ("the model", model)):
        if state != images:
            wrong = sorted(
                place for place in state.keys() | images.keys() if state.get(place) != images.get(place)
            )
            found.append(f"{name} does not hold what the events leave: {wrong[:5]}")
    return found + _indexes(world.valkey.store, casino)


def _in_redis(store: Store) -> State:
    state: State = {}
    for name, value in store.keys.items():
        if not keys.is_durable(name):
            continue
        layout: Any = LAYOUTS.get(keys.kind(name))
        if isinstance(value, bytes):
            state[name.decode(), ""] = value[: layout.durable_size] if layout else value
        elif isinstance(value, dict):
            fields: Any = value
            state |= {(name.decode(), field.decode()): left for field, left in fields.items()}
    return state


def _indexes(store: Store, casino: EpochCasino) -> list[str]:
    """The sweeper finds what is open, and nothing else."""
    bets = {str(uid).encode() for uid, each in casino.crash.items() if each.open}
    open_sessions = {f"{uid}:{game}".encode() for (uid, game), each in casino.sessions.items() if each.open}
    found = []
    for name, expected in ((keys.crash_open(0), bets), (keys.session_open(0), open_sessions)):
        held: Any = store.keys.get(name.encode(), {})
        if set(held) != expected:
            found.append(f"the index {name} holds {sorted(held)}, and open are {sorted(expected)}")
    return found


def _books(events: Sequence[Event], casino: EpochCasino) -> list[str]:
    """What was ever put into a pool is what is left in it and what was drawn from it."""
    put_in: Counter[tuple[str, str]] = Counter()
    for event in events:
        if event.header.type == "pool.added":
            banner, rarity, amount, _ = msgspec.msgpack.decode(event.header.terms)
            put_in[banner, rarity] += amount
        elif event.header.type == "economy.changed":
            for change in event.changes:
                if change.field:
                    put_in[change.key.rpartition(":")[2], change.field] += int(change.value or b"")
    drawn: Counter[tuple[str, str]] = Counter()
    for (_, banner), progress in casino.progress.items():
        for rarity, count in progress.delivered.items():
            drawn[banner, rarity] += count
    return [
        f"stock of {pool}: {count} put in, {drawn[pool]} drawn, {casino.pools[pool[0]][pool[1]]} left"
        for pool, count in put_in.items()
        if not 0 <= casino.pools[pool[0]][pool[1]] == count - drawn[pool]
    ]


def _name(attempt: Attempt) -> str:
    request = attempt.request
    return (
        f"{request.command.name} of player {request.uid}, key {request.key or '-'}, event {attempt.event}, "
        f"attempt {attempt.op_id.hex()}"
    )
