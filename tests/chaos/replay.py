"""The log replayed through the casino in plain Python: the same requests in the same order give the same replies."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from croupier_schemas.events import Event, EventId
from croupier_schemas.records import GACHA, GACHA_DRAW
from tests.chaos import load
from tests.chaos.load import BET, CASHOUT, END, PLAY, PULL, REWARD, ROTATE, SPIN, START, Request
from tests.chaos.parts import MASTER_KEY_ID
from tests.model.casino import Answer, Ask, Casino, Json, Refused
from tests.model.commands import crash, fairness, gacha, rewards, rps, sessions, slot
from tests.model.rps import MOVES
from tests.model.state import Player, Settlement

DAY_ZONE: Final = ZoneInfo("Asia/Seoul")
NONCES_PER_EPOCH: Final = 10**9

State = dict[tuple[str, str], bytes]

_COMMANDS: Final[dict[str, Callable[[Casino, Ask, Json], Answer]]] = {
    PULL: gacha.pull,
    SPIN: slot.spin,
    PLAY: rps.play,
    BET: crash.bet,
    CASHOUT: crash.cash_out,
    ROTATE: fairness.rotate,
    START: sessions.start,
    END: sessions.end,
    REWARD: rewards.distribute,
}


@dataclass
class _Casino(Casino):
    """Of an installation of its own, by whose name its seeds differ from those of any other; and of many epochs."""

    installation: str = ""

    def player(self, uid: int) -> Player:
        """No nonce that a lost tail may have used comes again."""
        player = super().player(uid)
        player.nonce = max(player.nonce, (self.epoch - 1) * NONCES_PER_EPOCH)
        return player

    def seed(self, uid: int, generation: int) -> str:
        message = f"{self.installation}:{uid}:{generation}".encode()
        return hmac.new(self.master_key, message, hashlib.sha256).hexdigest()


@dataclass
class Replay:
    """What the model says: the reply of each event, how each crash round ended, and the state in the end."""

    master_key: bytes
    installation: str
    replies: dict[EventId, Json] = field(default_factory=dict)
    settled: dict[str, Settlement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._casino = _Casino(self.master_key, MASTER_KEY_ID, DAY_ZONE, installation=self.installation)

    def run(self, events: Sequence[Event], requests: Mapping[tuple[int, str], Request]) -> list[str]:
        """Replay the log in its order. `requests` are by player and key. The first event that differs is the last one
        that is looked at, since all that follows differs too."""
        for event in events:
            try:
                self._one(event, requests)
                self._require_same(event)
            except (AssertionError, Refused, KeyError) as error:
                return [f"event {event.id} ({event.header.type}), replayed in the model: {error!r}"]
        return []

    def state(self) -> State:
        """Every durable record, by key and field."""
        state: State = {}
        for name, value in self._casino.state().items():
            fields = value if isinstance(value, dict) else {"": value}
            state |= {(name, field): each for field, each in fields.items()}
        return state

    def _one(self, event: Event, requests: Mapping[tuple[int, str], Request]) -> None:
        casino, header = self._casino, event.header
        if header.type == "epoch.opened":
            casino.epoch = event.id.epoch
            casino.log.clear()
            casino.open()
            return
        if header.type == "economy.changed":
            (economy,) = (each.value for each in event.changes if ":economy:" in each.key)
            assert economy is not None
            casino.push(economy)
            return
        casino.player(header.uid)  # every event has a nonce of its epoch, also where nothing is drawn
        command, ask, body = self._asked(event, requests)
        self.replies[event.id] = command(casino, ask, body).reply
        if header.type == "crash.settled":
            settlement = casino.crash[header.uid].settled
            assert settlement is not None
            self.settled[settlement.game.hex()] = settlement

    def _asked(
        self, event: Event, requests: Mapping[tuple[int, str], Request]
    ) -> tuple[Callable[[Casino, Ask, Json], Answer], Ask, Json]:
        """What led to the event: the command of the model, and with what."""
        header = event.header
        ask = Ask(header.uid, header.tier, header.op_id, event.ts_ms)
        if header.type == "crash.settled" and not header.tier:  # the sweeper's
            open_ = self._casino.crash[header.uid].open
            assert open_ is not None, "no round is open"
            return crash.settle, ask._replace(system=True), {"game_id": open_.game.hex()}
        if not header.idempotency_key:
            command, body = _without_key(event)
            return command, ask, body
        request = requests[header.uid, header.idempotency_key]
        key = request.body.get("key") or request.key
        by = load.ADMIN if request.path == REWARD else 0
        return _COMMANDS[request.path], ask._replace(key=key, by=by), request.body

    def _require_same(self, event: Event) -> None:
        header, expected = event.header, self._casino.log[-1]
        assert len(self._casino.log) == event.id.seq + 1, "the model has no such event"
        assert (header.type, header.uid, header.idempotency_key) == (
            expected.type, expected.uid, expected.key,
        ), expected  # fmt: skip
        if header.uid:
            assert msgspec.msgpack.decode(header.terms) == expected.terms, expected.terms
            assert event.created == expected.created
        changes, end = [], 0
        for name, size in expected.records:
            changes.append((name, "", expected.body[end : end + size]))
            end += size
        changes += expected.changes
        assert [(each.key, each.field, each.value) for each in event.changes] == changes, changes
        assert event.result == expected.body[end:], expected.body[end:]


def _without_key(event: Event) -> tuple[Callable[[Casino, Ask, Json], Answer], Json]:
    """What was asked for, by the event alone."""
    terms = msgspec.msgpack.decode(event.header.terms)
    match event.header.type:
        case "gacha.pulled":
            count = 1 if len(event.result) == GACHA.durable_size + GACHA_DRAW.size else 10
            return gacha.pull, {"count": count, "banner": terms[0], "use_premium_currency": bool(terms[1])}
        case "slot.spun":
            return slot.spin, {"bet_amount": terms[0]}
        case "rps.played":
            return rps.play, {"bet_amount": terms[0], "player_move": MOVES[terms[1]]}
        case other:
            raise AssertionError(f"{other} without a key")


def same_replies(replay: Replay, answers: Sequence[load.Answer]) -> list[str]:
    """Every reply whose event stands is the model's."""
    found = []
    for answer in answers:
        expected = replay.replies.get(answer.event) if answer.event else None
        if expected is not None and json.loads(answer.data) != expected:
            found.append(f"event {answer.event}: answered {answer.data!r}, and the model answers {expected}")
    return found


def same_settlements(replay: Replay, answers: Sequence[load.Answer]) -> list[str]:
    """Who cashed out of a round that had ended was told how it ended."""
    found = []
    for answer in answers:
        if answer.request.path != CASHOUT or not answer.ok or answer.event is not None:
            continue
        told, settled = json.loads(answer.data), replay.settled.get(answer.request.body["game_id"])
        if settled is None or (told["outcome"], told["payout"]) != (settled.outcome, settled.payout):
            found.append(f"a round ended {settled}, and its player was told {told}")
    return found
