"""Players over HTTP, each request with an idempotency key, and a record of all that was asked and answered."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import aiohttp

from croupier_http.auth import Role, make_token
from croupier_schemas.events import EventId
from tests.chaos.parts import SECRET

PLAYERS: Final = 8
PAUSE_S: Final = (0.02, 0.12)
"""Between a player's requests, at least and at most."""
TRIES: Final = 5
TIMEOUT_S: Final = 8.0
TOKEN_TTL_S: Final = 3_600
ADMIN: Final = 900
ASKED_TWICE: Final = 0.1
NO_ANSWER: Final = 0
BET: Final = "/api/games/crash/bet"
CASHOUT: Final = "/api/games/crash/cashout"
ROTATE: Final = "/api/fairness/rotate"
STRICT: Final = frozenset({BET, CASHOUT, ROTATE})
REWARD: Final = "/api/rewards/distribute"
_REPLAYED = "Idempotent-Replayed"


@dataclass(frozen=True)
class Request:
    """What a player asks for, under a key of its own. A reward is asked for by an admin."""

    uid: int
    path: str
    body: dict[str, Any]
    key: str

    @property
    def logged_key(self) -> str:
        """The key as the event has it."""
        return f"rewards.distribute {self.key}" if self.path == REWARD else self.key


@dataclass(frozen=True)
class Answer:
    """One attempt. `asked` and `answered` are places in the order of all that the load did; `status` 0: no answer."""

    request: Request
    asked: int
    answered: int
    at_s: float
    status: int
    replayed: bool
    data: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def strict(self) -> bool:
        return self.request.path in STRICT

    @property
    def event(self) -> EventId | None:
        """The event that the reply names; None where it was refused, or nothing had to be done."""
        receipt = json.loads(self.data).get("receipt") if self.ok else None
        return EventId.parse(receipt["event_id"]) if receipt else None


@dataclass
class Client:
    """Asks the server, and keeps every answer."""

    session: aiohttp.ClientSession
    url: str
    answers: list[Answer] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _tokens: dict[int, str] = field(default_factory=dict)

    async def ask(self, request: Request) -> Answer:
        """One attempt; whatever comes of it is an answer."""
        asked, status, replayed, data = next(self._order), NO_ANSWER, False, b""
        headers = {
            "Authorization": f"Bearer {self._token(ADMIN if request.path == REWARD else request.uid)}",
            "Idempotency-Key": request.key,
        }
        try:
            async with self.session.post(
                self.url + request.path, json=request.body, headers=headers
            ) as reply:
                data = await reply.read()
                status, replayed = reply.status, _REPLAYED in reply.headers
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        answer = Answer(request, asked, next(self._order), time.monotonic(), status, replayed, data)
        self.answers.append(answer)
        return answer

    def _token(self, uid: int) -> str:
        if uid not in self._tokens:
            role: Role = "admin" if uid == ADMIN else "user"
            self._tokens[uid] = make_token(SECRET, uid, "VIP", role, TOKEN_TTL_S)
        return self._tokens[uid]


class Player:
    """Plays everything, one request after the other; what was not answered is asked for again under its key."""

    def __init__(self, client: Client, uid: int, seed: int) -> None:
        self._client = client
        self._uid = uid
        self._rng = Random(f"player {uid} {seed}")
        self._keys = itertools.count()
        self._game = ""

    async def play(self, stop: threading.Event) -> None:
        """Play until told to stop."""
        while not stop.is_set():
            answer = await self._ask(self._next(), stop)
            if answer.ok:
                if answer.request.path == BET:
                    self._game = json.loads(answer.data)["game_id"]
                if self._rng.random() < ASKED_TWICE:
                    await self._client.ask(answer.request)
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))

    async def _ask(self, request: Request, stop: threading.Event) -> Answer:
        for _ in range(TRIES):
            answer = await self._client.ask(request)
            if (answer.status != NO_ANSWER and answer.status < 500) or stop.is_set():
                break
            await asyncio.sleep(self._rng.uniform(0.1, 0.4))
        return answer

    def _next(self) -> Request:
        rng, bet = self._rng, 100 * self._rng.randint(1, 20)
        path: str
        body: dict[str, Any]
        match rng.randrange(10):
            case 0 | 1 | 2:
                path, body = "/api/games/gacha/pull", {"count": rng.choice([1, 10]), "banner": "festival"}
            case 3 | 4:
                path, body = "/api/games/slot/spin", {"bet_amount": bet}
            case 5:
                path, body = "/api/games/rps/play", {"player_move": "ROCK", "bet_amount": bet}
            case 6 | 7 if self._game:
                path, body = CASHOUT, {"game_id": self._game}
                self._game = ""
            case 6 | 7:
                # Paid by itself after a few seconds, so that no round is open for long when the load ends.
                path, body = BET, {"bet_amount": bet, "auto_cashout": 1.2}
            case 8 if rng.random() < 0.3:
                path, body = ROTATE, {}
            case _:
                path = REWARD
                body = {
                    "user_id": self._uid,
                    "reward_type": "TOKENS",
                    "amount": 5,
                    "source_description": "gift",
                }
        return Request(self._uid, path, body, f"{self._uid}-{next(self._keys)}")


class Load:
    """The players in a thread of their own, because faults are injected from the main one."""

    def __init__(self, port: int, seed: int) -> None:
        self.answers: list[Answer] = []
        self._url = f"http://127.0.0.1:{port}"
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._play()))
        self._error: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """The players play while the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
        if self._error is not None:
            raise self._error

    async def _play(self) -> None:
        try:
            async with client(self._url) as asking:
                self.answers = asking.answers
                players = [Player(asking, uid, self._seed) for uid in range(1, PLAYERS + 1)]
                await asyncio.gather(*(player.play(self._stop) for player in players))
        except BaseException as error:  # for the thread that waits
            self._error = error


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    """A client with a session of its own."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        yield Client(session, url)
