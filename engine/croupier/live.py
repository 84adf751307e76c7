"""Events as they happen: what the sync daemon publishes once Postgres has them, and what a client is shown of them.

Each player has a channel, to which a worker listens while that player has a socket there; who watches everything has
another one. What is published is a hint: it may be lost, and then the newest state is told instead.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from croupier import registry
from croupier.clock import utc
from croupier.command import Command
from croupier.gacha.table import CompiledEconomy
from croupier.reply import of_event
from croupier.scripts import Script, Scripts
from croupier_schemas.events import Event
from croupier_schemas.live import LiveEvent

RESTARTED: Final = b"restarted"
"""What the daemon says when it begins to follow: what the one before had taken may never have been published."""

BANNED: Final = b"banned"
"""What a worker says on a player's channel when it finds that the player is banned."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Event]).decode


def encode_events(events: Sequence[Event]) -> bytes:
    """Events for a channel."""
    return _encode(events)


def decode_events(message: bytes) -> list[Event]:
    """The inverse of `encode_events`. Raises msgspec.DecodeError, as for a message of another version."""
    return _decode(message)


class Shown:
    """Makes what clients are shown, by the same rules as the replies of commands."""

    def __init__(self, scripts: Scripts) -> None:
        self._commands: dict[str, tuple[Command[Any, Any, Any], Script]] = {}
        for command in registry.COMMANDS:
            script = scripts[command.name]
            if script.emits:
                self._commands[script.emits] = command, script

    def event(self, event: Event, economy: CompiledEconomy | None) -> LiveEvent:
        """`economy` is the one that the event names; None where it names none."""
        header = event.header
        return LiveEvent(
            event_id=str(event.id),
            event_type=header.type,
            player_id=header.uid,
            created_at=utc(event.ts_ms),
            op_id=header.op_id.hex(),
            economy=header.economy.hex(),
            result=self._result(event, economy),
        )

    def knows(self, event_type: str) -> bool:
        """Whether a command appends events of this type."""
        return event_type in self._commands

    def reply(self, event: Event, economy: CompiledEconomy | None) -> msgspec.Struct | None:
        """What the event's command answered; None where no command did it, or `economy` is None."""
        known = self._commands.get(event.header.type)
        if known is None or economy is None:
            return None
        command, script = known
        done, terms = of_event(script, command.terms_type, event)
        reply: msgspec.Struct = command.render(economy, terms, done)
        return reply

    def _result(self, event: Event, economy: CompiledEconomy | None) -> dict[str, object]:
        reply = self.reply(event, economy)
        return {} if reply is None else msgspec.to_builtins(reply)
