"""Players over HTTP, each request with a key, and a record of all that was asked, answered and said of attempts."""

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
from croupier_schemas.economy import GAMES
from croupier_schemas.events import EventId
from tests.chaos.parts import SECRET

PLAYERS: Final = 8
GUESTS: Final = 500
GUEST_FIRST: Final = 1_000
"""Players play as guests too, who come once in a while: what is wrong with their records stays so."""
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
PULL: Final = "/api/games/gacha/pull"
SPIN: Final = "/api/games/slot/spin"
PLAY: Final = "/api/games/rps/play"
START: Final = "/api/games/session/start"
END: Final = "/api/games/session/end"
ADMINS: Final = frozenset({REWARD})
KEYLESS: Final = frozenset({PULL, SPIN, PLAY})
"""What is sometimes asked for without a key: its event tells all that was asked."""
OPEN_OUTCOMES: Final = frozenset({"OUTCOME_UNKNOWN", "DURABILITY_TIMEOUT", "INTERNAL"})
"""Errors that leave open whether the command has run. All others say that it has not."""
_OPS: Final = "/api/ops/"
_REPLAYED: Final = "Idempotent-Replayed"
_OP_ID: Final = "Op-Id"


@dataclass(frozen=True)
class Request:
    """What a player asks for, under a key of its own or, where that is empty, under none.

    A reward is asked for by an admin.
    """

    uid: int
    path: str
    body: dict[str, Any]
    key: str

    @property
    def logged_key(self) -> str:
        """The key as the event has it."""
        if self.path == REWARD:
            return f"rewards.distribute {self.body.get('key') or self.key}"
        if self.path == END:
            return f"session.end {self.body['session_id']}"
        return self.key


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
    op_id: str

    @property
    def code(self) -> str:
        """The error's code; empty where there was no answer, or no error."""
        return str(json.loads(self.data)["code"]) if self.status >= 400 else ""

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


@dataclass(frozen=True)
class Told:
    """What the server said became of an attempt; `event` and `durable` only of one that was applied."""

    op_id: str
    outcome: str
    event: EventId | None
    durable: bool | None


@dataclass
class Client:
    """Asks the server, and keeps every answer."""

    session: aiohttp.ClientSession
    url: str
    answers: list[Answer] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _tokens: dict[int, str] = field(default_factory=dict)

    async def ask(self, request: Request) -> Answer:
        """One attempt; whatever comes of it is an answer."""
        asked, status, replayed, data, op_id = next(self._order), NO_ANSWER, False, b"", ""
        token = self._token(ADMIN if request.path in ADMINS else request.uid)
        headers = {"Authorization": f"Bearer {token}"}
        if request.key:
            headers["Idempotency-Key"] = request.key
        try:
            async with self.session.post(
                self.url + request.path, json=request.body, headers=headers
            ) as reply:
                data = await reply.read()
                status, replayed = reply.status, _REPLAYED in reply.headers
                op_id = reply.headers.get(_OP_ID, "")
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        answer = Answer(request, asked, next(self._order), time.monotonic(), status, replayed, data, op_id)
        self.answers.append(answer)
        return answer

    async def look_up(self, op_id: str) -> Told | None:
        """Ask what became of an attempt; None where that was not answered."""
        headers = {"Authorization": f"Bearer {self._token(ADMIN)}"}
        try:
            async with self.session.get(self.url + _OPS + op_id, headers=headers) as reply:
                said = await reply.json()
                if reply.status != 200:
                    return None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        event = EventId.parse(said["event_id"]) if said["event_id"] else None
        told = Told(op_id, said["outcome"], event, said["durable"])
        self.told.append(told)
        return told

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
        self._session = ""

    async def play(self, stop: threading.Event) -> None:
        """Play until told to stop."""
        while not stop.is_set():
            answer = await self._ask(self._next(), stop)
            if answer.ok:
                self._remember(answer)
                if answer.request.key and self._rng.random() < ASKED_TWICE:
                    await self._client.ask(answer.request)
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))

    async def _ask(self, request: Request, stop: threading.Event) -> Answer:
        for _ in range(TRIES):
            answer = await self._client.ask(request)
            if answer.code in OPEN_OUTCOMES:
                await self._client.look_up(answer.op_id)
            answered = answer.status != NO_ANSWER and answer.status < 500
            if answered or not request.key or stop.is_set():
                break
            await asyncio.sleep(self._rng.uniform(0.1, 0.4))
        return answer

    def _remember(self, answer: Answer) -> None:
        """What later requests refer to."""
        if answer.request.path == BET:
            self._game = json.loads(answer.data)["game_id"]
        elif answer.request.path == START:
            self._session = json.loads(answer.data)["session_id"]

    def _next(self) -> Request:
        path, body = self._choose()
        key = f"{self._uid}-{next(self._keys)}"
        if path == REWARD and self._rng.random() < 0.5:
            body["key"] = f"gift-{key}"
        if path in KEYLESS and self._rng.random() < 0.3:
            key = ""
        uid = self._uid
        if path in (PULL, PLAY) and self._rng.random() < 0.3:
            uid = GUEST_FIRST + self._rng.randrange(GUESTS)
        return Request(uid, path, body, key)

    def _choose(self) -> tuple[str, dict[str, Any]]:
        rng, bet = self._rng, 100 * self._rng.randint(1, 20)
        match rng.randrange(12):
            case 0 | 1 | 2:
                return PULL, {
                    "count": rng.choice([1, 10]), "banner": "festival", "use_premium_currency": rng.random() < 0.3,
                }  # fmt: skip
            case 3 | 4:
                return SPIN, {"bet_amount": bet}
            case 5:
                return PLAY, {"player_move": rng.choice(["ROCK", "PAPER", "SCISSORS"]), "bet_amount": bet}
            case 6 | 7 | 8 if self._game:
                game, self._game = self._game, ""
                return CASHOUT, {"game_id": game}
            case 6 | 7 | 8:
                # Paid by itself after a few seconds, so that no round is open for long when the load ends.
                return BET, {"bet_amount": bet, "auto_cashout": rng.choice([1.05, 1.2])}
            case 9 if rng.random() < 0.3:
                return ROTATE, {"client_seed": rng.choice([None, "mine"])}
            case 10 if self._session and rng.random() < 0.5:
                session, self._session = self._session, ""
                return END, {"session_id": session}
            case 10:
                return START, {"game_type": rng.choice(GAMES)}
            case _:
                kind = rng.choice(["TOKENS", "GEMS"])
                return REWARD, {
                    "user_id": self._uid, "reward_type": kind, "amount": 5, "source_description": "gift",
                }  # fmt: skip


class Load:
    """The players in a thread of their own, because faults are injected from the main one."""

    def __init__(self, port: int, seed: int) -> None:
        self.answers: list[Answer] = []
        self.told: list[Told] = []
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
                self.answers, self.told = asking.answers, asking.told
                players = [Player(asking, uid, self._seed) for uid in range(1, PLAYERS + 1)]
                await asyncio.gather(*(player.play(self._stop) for player in players))
        except BaseException as error:  # for the thread that waits
            self._error = error


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    """A client with a session of its own."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        yield Client(session, url)
