"""What connections of both protocols have in common: how they open and how they end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from croupier_cli.load.run import Run
from croupier_cli.load.tally import LOST


class NotOpened(Exception):
    """The server did not take this connection; the message says why."""


class Unreadable(Exception):
    """The server has answered what this load generator cannot read; the message says what."""


class Line(asyncio.Protocol, ABC):
    """A connection that carries one turn at a time. What is said on it is the subclass's."""

    run: Run

    def __init__(self, on_lost: "Callable[[Line], None]") -> None:
        """`on_lost` hears that the connection is gone, if it was open."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent_ns = 0
        self.is_open = False
        self._on_lost = on_lost
        self._why = LOST

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def is_ready(self) -> None:
        """It can carry turns from now on."""
        self.is_open = True
        if not self.opened.done():
            self.opened.set_result(None)

    @abstractmethod
    def send(self, due_ns: int) -> None:
        """Begin a turn that is due since then."""

    @abstractmethod
    def unanswered(self, why: str) -> None:
        """Count what waits for an answer as failed."""

    def give_up(self, why: str) -> None:
        """Close the connection; what waits for an answer counts as failed for this reason."""
        self._why = why
        self.transport.abort()

    def unreadable(self, what: str) -> None:
        """End the whole load: what the server says is not understood."""
        if self.is_open:
            self.run.fail(Unreadable(what))
        elif not self.opened.done():
            self.opened.set_exception(NotOpened(what))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_open:
            if not self.opened.done():
                why = self._why if exc is None else f"{self._why}: {exc}"
                self.opened.set_exception(NotOpened(why))
            return
        self.is_open = False
        if hasattr(self, "run"):  # else it is lost before any load began
            in_turn = self.sent_ns != 0
            if in_turn:
                self.sent_ns = 0
                if not self.run.is_done.done():
                    self.unanswered(self._why)
            self.run.lost(self, in_turn=in_turn)
        self._on_lost(self)
