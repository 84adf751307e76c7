"""From events to messages: pure, but for the economies, which are looked up before."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec
import structlog

from croupier.clock import utc
from croupier.economy import EconomyError, from_canonical
from croupier.gacha.table import CompiledEconomy, compile_economy
from croupier.live import Shown
from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.messages import BOUGHT, SCHEMA_VERSION, EventMessage, Round, ShopBought, topic_of
from croupier_schemas.rewards import RewardsDistributeReply
from croupier_sync.export.rounds import ROUNDS

log = structlog.get_logger(__name__)

VALUE_BYTES_MAX: Final = 131_072
"""Far below what brokers take as they are usually set up, and far above what commands answer."""

_ECONOMIES_MAX: Final = 64
_INCOMPLETE_LENGTH_MAX: Final = 500

# Not the table `economy_versions`: that is a projection, and could lack one that went to the dead letters.
_ECONOMY = "SELECT value FROM mirror WHERE partition = $1 AND key = $2 AND field = ''"

_encode = msgspec.json.Encoder().encode
_schema = str(SCHEMA_VERSION).encode()


class Message(NamedTuple):
    """A message as Kafka has it: all of a player have the same key. `ts_ms` is the time of the event."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    ts_ms: int


class Renderer:
    """Makes messages of events. Any event has one: what is wrong with it is told in the message itself."""

    def __init__(self, purchases_topic: str) -> None:
        self._purchases_topic = purchases_topic
        self._shown = Shown(Scripts())
        self._economies: dict[bytes, CompiledEconomy] = {}
        self._incomplete: list[tuple[Event, str]] = []

    async def prepare(self, connection: asyncpg.Connection, events: Sequence[Event]) -> None:
        """Have the economies at hand that the events were made under, as far as Postgres has them."""
        wanted = {event.header.economy: event.id.partition for event in events if event.header.economy}
        for version, partition in wanted.items():
            if version not in self._economies:
                key = keys.economy(partition, version.hex())
                canonical = await connection.fetchval(_ECONOMY, partition, key)
                if canonical is not None:
                    self.learn(version, canonical)

    def render(self, events: Sequence[Event]) -> list[Message]:
        """The messages of these events, which must be prepared, in their order. In any thread, but one at a time."""
        self._incomplete = []
        messages = [self._message(event) for event in events]
        if self._incomplete:  # told once for all of them: where an economy is gone, they are many
            event, why = self._incomplete[0]
            log.error(
                "events cannot be rendered", count=len(self._incomplete), first=str(event.id), error=why
            )
        return messages

    def _message(self, event: Event) -> Message:
        header = event.header
        result: object = {}
        played: Round | None = None
        incomplete = ""
        try:
            result = self._result(event)
            if (round_of := ROUNDS.get(header.type)) is not None:
                played = round_of(event)
            value = _value(event, result, played)
            if len(value) > VALUE_BYTES_MAX:
                incomplete = f"the message would have {len(value)} bytes"
        except Exception as error:  # whatever is wrong with it, only this event's message lacks something
            incomplete = repr(error)[:_INCOMPLETE_LENGTH_MAX]
        if incomplete:
            self._incomplete.append((event, incomplete))
            value = _value(event, {}, None, incomplete)
        return Message(
            topic_of(header.type, self._purchases_topic),
            str(header.uid).encode(),
            value,
            _headers(event),
            max(event.ts_ms, 0),
        )

    def _result(self, event: Event) -> object:
        header = event.header
        if header.type == BOUGHT:
            return msgspec.structs.asdict(msgspec.msgpack.decode(header.terms, type=ShopBought))
        economy = self._economies.get(header.economy)
        if economy is None and self._shown.knows(header.type):
            raise LookupError(f"economy {header.economy.hex()} is not known here")
        reply = self._shown.reply(event, economy)
        if isinstance(reply, RewardsDistributeReply):
            # It may be the caller's idempotency key.
            reply = msgspec.structs.replace(reply, key=None)
        return {} if reply is None else reply

    def learn(self, version: bytes, canonical: bytes) -> None:
        """Have an economy at hand. One that cannot be read is left out."""
        try:
            compiled = compile_economy(from_canonical(canonical), version.hex())
        except EconomyError as error:
            log.error("economy cannot be read", version=version.hex(), error=str(error))
            return
        if len(self._economies) >= _ECONOMIES_MAX:
            self._economies.pop(next(iter(self._economies)))
        self._economies[version] = compiled


def _value(event: Event, result: Any, played: Round | None, incomplete: str = "") -> bytes:
    header = event.header
    return _encode(
        EventMessage(
            event_id=str(event.id),
            event_type=header.type,
            player_id=header.uid,
            tier=header.tier,
            created_at=utc(max(event.ts_ms, 0)),
            op_id=header.op_id.hex(),
            economy=header.economy.hex(),
            rules=header.rules,
            result=result,  # a struct is encoded as the object that it is for clients
            round=played,
            incomplete=incomplete,
        )
    )


def _headers(event: Event) -> list[tuple[str, bytes]]:
    return [
        ("partition", str(event.id.partition).encode()),
        ("epoch", str(event.id.epoch).encode()),
        ("seq", str(event.id.seq).encode()),
        ("schema", _schema),
        ("type", event.header.type.encode()),
    ]
