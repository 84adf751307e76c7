"""Telling events to those who watch, once Postgres has them: over Redis pub/sub, to channels that are listened to."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from croupier.live import RESTARTED, encode_events
from croupier.transport import TransportError
from croupier_schemas import keys
from croupier_schemas.events import SYSTEM, Event
from croupier_sync.server import Server

log = structlog.get_logger(__name__)

EVENTS_PER_MESSAGE: Final = 100


class FanOut:
    """Publishes the events of one partition. It is a courtesy: what goes wrong here never holds up the sync."""

    def __init__(self, server: Server, partition: int) -> None:
        self._server = server
        self._partition = partition
        self._is_new = True

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish what was committed, to each player's channel the player's own, and all to who watches all.

        The first time, also without any, to say that this daemon begins.
        """
        try:
            if self._is_new:  # those that were committed before us may not have been published
                await self._server.call("PUBLISH", keys.live(self._partition), RESTARTED)
                self._is_new = False
            if not events:
                return
            players, monitors = await self._listeners(
                [keys.live(self._partition), keys.monitor(self._partition)]
            )
            messages = self._for_monitors(events) if monitors else []
            if players:
                messages += await self._for_players(events)
            sent = [
                self._server.transport.send("PUBLISH", channel, encode_events(some))
                for channel, some in messages
            ]
            for reply in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(reply, BaseException):
                    raise reply
        except TransportError as error:
            self._is_new = True
            log.info("events were not published", partition=self._partition, error=str(error))
        except Exception:
            log.exception("events could not be published", partition=self._partition)

    def _for_monitors(self, events: Sequence[Event]) -> list[tuple[str, Sequence[Event]]]:
        channel = keys.monitor(self._partition)
        return [
            (channel, events[first : first + EVENTS_PER_MESSAGE])
            for first in range(0, len(events), EVENTS_PER_MESSAGE)
        ]

    async def _for_players(self, events: Sequence[Event]) -> list[tuple[str, Sequence[Event]]]:
        by_player: dict[int, list[Event]] = {}
        for event in events:
            if event.header.uid != SYSTEM:
                by_player.setdefault(event.header.uid, []).append(event)
        channels = [keys.player_events(self._partition, uid) for uid in by_player]
        listeners = await self._listeners(channels)
        return [
            (channel, of_player)
            for channel, of_player, listening in zip(channels, by_player.values(), listeners, strict=True)
            if listening
        ]

    async def _listeners(self, channels: Sequence[str]) -> list[int]:
        """How many listen to each channel."""
        if not channels:
            return []
        reply = await self._server.call("PUBSUB", "NUMSUB", *channels)
        assert isinstance(reply, list)
        return [count for count in reply[1::2] if isinstance(count, int)]
