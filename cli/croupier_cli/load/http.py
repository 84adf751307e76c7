"""Load over HTTP: raw connections, one request at a time on each."""

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from croupier_cli.load.http_reply import read_reply
from croupier_cli.load.http_requests import HttpRequests
from croupier_cli.load.line import Line, Unreadable
from croupier_cli.load.scenarios import Step

_OK: Final = 200


class GameReply(msgspec.Struct):
    """What the next step of a scenario needs of the reply to the one before."""

    game_id: str


class HttpLine(Line):
    """One connection, kept alive: sends, waits for the whole reply, sends the next."""

    def __init__(self, requests: HttpRequests, on_lost: Callable[[Line], None]) -> None:
        super().__init__(on_lost)
        self._requests = requests
        self._received = b""
        self._due_ns = 0
        self._step: Step
        self._token = b""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.is_ready()

    def send(self, due_ns: int) -> None:
        requests = self._requests
        self._step = step = requests.next_step()
        self._token = token = requests.next_token()
        self._due_ns = due_ns
        self.sent_ns = time.perf_counter_ns()
        self.transport.write(requests.of(step, token))

    def unanswered(self, why: str) -> None:
        self.run.tally.failed(self._step, why, self._due_ns)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        try:
            reply = read_reply(received)
        except Unreadable as error:
            self.unreadable(str(error))
            return
        if reply is None:
            self._received = received
            return
        self._received = b""
        status, body, end, stays = reply
        if end != len(received) or not self.sent_ns:
            self.unreadable("more came than a reply to each request")
            return
        step = self._step
        self.run.tally.answered(step, status, received[body:end], True, self._due_ns)
        if step.then is not None and status == _OK and stays:
            self._go_on(step.then, received[body:end])
            return
        self.sent_ns = 0
        if stays:
            self.run.free(self)
        else:
            self._leave()

    def _go_on(self, step: Step, body: bytes) -> None:
        """Send the next step of the scenario, which is due now."""
        try:
            game_id = msgspec.json.decode(body, type=GameReply).game_id
        except msgspec.DecodeError as error:
            self.unreadable(f"the reply to {self._step.name} has no game_id: {error}")
            return
        self._step = step
        self._due_ns = self.sent_ns = time.perf_counter_ns()
        self.transport.write(self._requests.of_game(step, self._token, game_id))

    def _leave(self) -> None:
        """The server closes the connection after this reply; another one will take its place."""
        self.is_open = False
        self.transport.abort()
        self.run.lost(self, in_turn=True)
        self._on_lost(self)
