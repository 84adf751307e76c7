"""The log of Postgres played again by the model in plain Python: the same events, the replies that players heard."""

import datetime
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.event_log import event_of_row
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier_schemas.events import Event, EventId
from tests.model.casino import Answer, Ask, Casino, Json, Recorded, Refused
from tests.model.commands import crash, fairness, gacha, rewards, rps, sessions, slot
from tests.model.state import Player
from tests.simulation.players import ADMIN, Attempt, Request
from tests.simulation.world import INSTALLATION, SETTINGS

IN_MODEL: Final[Mapping[str, Any]] = {
    PULL.name: gacha.pull, ROTATE.name: fairness.rotate, BET.name: crash.bet, CASHOUT.name: crash.cash_out,
    SPIN.name: slot.spin, PLAY.name: rps.play, DISTRIBUTE.name: rewards.distribute, START.name: sessions.start,
    END.name: sessions.end,
}  # fmt: skip
_KEY: Final = bytes.fromhex(SETTINGS.master_keys.partition(":")[2])
_NONCES_PER_EPOCH: Final = 1_000_000_000


class EpochCasino(Casino):
    """The model with several epochs, each of which begins its nonces anew, in an installation of its own."""

    def begin(self, epoch: int) -> None:
        """An epoch is opened: its first event."""
        self.epoch = epoch
        self.log.clear()
        self.open()

    def player(self, uid: int) -> Player:
        player = super().player(uid)
        player.nonce = max(player.nonce, (self.epoch - 1) * _NONCES_PER_EPOCH)
        return player

    def seed(self, uid: int, generation: int) -> str:
        message = f"{INSTALLATION}:{uid}:{generation}".encode()
        return hmac.new(_KEY, message, hashlib.sha256).hexdigest()


def events_of(rows: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The rows of the table `events` as events, in their order."""
    return [event_of_row(EventId(row["partition"], row["epoch"], row["seq"]), row) for row in rows]


def replay(
    events: Sequence[Event], by_op: Mapping[bytes, Request], attempts: Sequence[Attempt]
) -> tuple[EpochCasino, list[str]]:
    """Play the events; the casino that they leave, and what is wrong with them or with the replies that name them."""
    casino = EpochCasino(_KEY, 1, ZoneInfo("Asia/Seoul"))
    heard: dict[tuple[EventId, bytes], list[Attempt]] = {}
    for attempt in attempts:
        if attempt.event is not None:
            heard.setdefault((attempt.event, b"" if attempt.replayed else attempt.op_id), []).append(attempt)
    found: list[str] = []
    for event in events:
        try:
            answer = _play(casino, event, by_op)
            expected = casino.log[-1]
        except (Refused, AssertionError, KeyError, IndexError) as error:
            return casino, [
                *found,
                f"event {event.id} ({event.header.type}): the model does not do this: {error!r}",
            ]
        if (is_ := recorded(event, expected)) != expected:
            return casino, [*found, f"event {event.id} is {is_}, and should be {expected}"]
        given = heard.get((event.id, event.header.op_id), []) + [
            each
            for each in heard.get((event.id, b""), [])
            if each.request.logged_key == event.header.idempotency_key
        ]
        for attempt in given if answer is not None else ():
            assert answer is not None
            if _plain(attempt.data) != json.loads(json.dumps(answer.reply, default=_iso)):
                found.append(f"event {event.id}: replied {attempt.data!r}, and should have {answer.reply}")
    return casino, found


def _play(casino: EpochCasino, event: Event, by_op: Mapping[bytes, Request]) -> Answer | None:
    """One event; the model's answer where a player had asked for it."""
    header = event.header
    if header.type == "epoch.opened":
        casino.begin(event.id.epoch)
        return None
    if header.type == "economy.changed":
        casino.push(next(change.value or b"" for change in event.changes if ":economy:" in change.key))
        return None
    if header.type == "pool.added":
        assert casino.add_to_pool(*msgspec.msgpack.decode(header.terms))
        return None
    assert header.economy.hex() == casino.version, "another economy is in force"
    casino.player(header.uid)  # its nonce is of this epoch
    if header.tier == "":
        _by_system(casino, event)
        return None
    request = by_op[header.op_id]
    assert request.uid == header.uid and request.logged_key == header.idempotency_key
    ask = Ask(request.uid, header.tier, header.op_id, event.ts_ms, request.key)
    if request.command is DISTRIBUTE:
        ask = ask._replace(by=ADMIN)
    body: Json = json.loads(msgspec.json.encode(request.body))
    answer: Answer = IN_MODEL[request.command.name](casino, ask, body)
    assert not answer.replayed, "done twice under one key"
    return answer


def _by_system(casino: EpochCasino, event: Event) -> None:
    header = event.header
    ask = Ask(header.uid, "", header.op_id, event.ts_ms, system=True)
    if header.type == "crash.settled":
        open_ = casino.crash[header.uid].open
        assert open_ is not None, "there was no open bet"
        crash.settle(casino, ask, {"game_id": open_.game.hex()})
    else:
        assert header.type == "session.ended"
        sessions.end(casino, ask, {"session_id": header.idempotency_key.partition(" ")[2]})


def recorded(event: Event, expected: Recorded) -> Recorded:
    """An event in the model's terms; what the model cannot know is taken over from it.

    Postgres does not hold which of the changes were records; those are the first ones, as many as the model has.
    """
    header = event.header
    count = len(expected.records)
    images = [change.value or b"" for change in event.changes[:count]]
    by_system = header.uid == 0
    return Recorded(
        type=header.type,
        uid=header.uid,
        tier=header.tier,
        op_id=expected.op_id if by_system else header.op_id,
        key=header.idempotency_key,
        economy=header.economy.hex(),
        terms=msgspec.msgpack.decode(header.terms),
        ts_ms=expected.ts_ms if by_system else event.ts_ms,
        created=event.created,
        records=tuple((change.key, len(image)) for change, image in zip(event.changes[:count], images, strict=True)),
        body=b"".join(images) + event.result,
        changes=tuple((change.key, change.field, change.value or b"") for change in event.changes[count:]),
    )  # fmt: skip


def _plain(data: bytes) -> Any:
    return json.loads(data)


def _iso(value: Any) -> str:
    assert isinstance(value, datetime.datetime)
    return value.isoformat()
