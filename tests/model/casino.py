"""The casino in plain Python: what commands must do, without a server, a script or a line of the engine.

Here is what all commands share: economies, players, admission, rate limits, idempotency, the log. The commands are
functions over this, in `tests.model.commands`. Requests, replies and economies are plain dicts as their JSON reads.
"""

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.model import fairness, records
from tests.model.draws import RARITIES, Progress
from tests.model.rate_limit import CallLog
from tests.model.state import GAMES, Crash, Player, Session

Json = dict[str, Any]
Changes = tuple[tuple[str, str, bytes], ...]

BALANCE_MAX = 999_999_999_999_999
SWITCHED_OFF_RETRY_MS = 60_000

_DAY_ZERO = datetime.date(1970, 1, 1)


class Refused(Exception):
    """The command changed nothing. `fields` are the extra members of the error, times in Unix ms."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


class Ask(NamedTuple):
    """Who asks, when, and with which idempotency key (empty: none). `by` is an admin who acts upon player `uid`."""

    uid: int
    tier: str
    op_id: bytes
    now_ms: int
    key: str = ""
    by: int = 0
    system: bool = False


class Answer(NamedTuple):
    """What a command answers; `rate_blocked`: in the mode `enforce` a rate limit would have refused it."""

    reply: Json
    replayed: bool = False
    rate_blocked: bool = False


class Recorded(NamedTuple):
    """An event. `body` is what follows time and `created` in its entry; `changes` are (key, field, bytes)."""

    type: str
    uid: int
    tier: str
    op_id: bytes
    key: str
    economy: str
    terms: object
    ts_ms: int
    created: bool
    records: tuple[tuple[str, int], ...]
    body: bytes
    changes: Changes


@dataclass
class Casino:
    """One partition. `master_key` and `key_id` make the server seeds."""

    master_key: bytes
    key_id: int
    zone: ZoneInfo
    epoch: int = 1
    version: str = ""
    economies: dict[str, Json] = field(default_factory=dict)
    players: dict[int, Player] = field(default_factory=dict)
    progress: dict[tuple[int, str], Progress] = field(default_factory=dict)
    crash: dict[int, Crash] = field(default_factory=dict)
    sessions: dict[tuple[int, str], Session] = field(default_factory=dict)
    pools: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: dict[tuple[int, str], tuple[str, Json]] = field(default_factory=dict)
    log: list[Recorded] = field(default_factory=list)

    # The economy and its pools.

    def open(self) -> None:
        """The first event of an epoch."""
        self._append("epoch.opened", None, ())

    def push(self, canonical: bytes) -> None:
        """Put an economy in force."""
        version = hashlib.sha256(canonical).hexdigest()
        if version == self.version:
            return
        self.version = version
        self.economies[version] = json.loads(canonical)
        changes = [(f"{{0}}:economy:{version}", "", canonical)]
        for name, banner in self.economies[version]["gacha"]["banners"].items():
            for rarity in RARITIES[:3]:
                pool, initial = self.pools.setdefault(name, {}), banner["stock"][rarity]
                if initial is not None and rarity not in pool:
                    pool[rarity] = initial
                    changes.append((f"{{0}}:pool:{name}", rarity, str(initial).encode()))
        self._append("economy.changed", None, tuple(changes))

    def add_to_pool(self, banner: str, rarity: str, amount: int, reason: str) -> bool:
        """`pool.add`; whether there is such a pool."""
        pool = self.pools.get(banner, {})
        if rarity not in pool:
            return False
        pool[rarity] += amount
        change = (f"{{0}}:pool:{banner}", rarity, str(pool[rarity]).encode())
        self._append("pool.added", [banner, rarity, amount, reason], (change,))
        return True

    def _append(self, type_: str, terms: object, changes: Changes) -> None:
        """An event that no player caused."""
        self.log.append(Recorded(type_, 0, "", b"", "", self.version, terms, 0, False, (), b"", changes))

    @property
    def economy(self) -> Json:
        return self.economies[self.version]

    # Players.

    def seed(self, uid: int, generation: int) -> str:
        return fairness.server_seed(self.master_key, uid, generation)

    def player(self, uid: int) -> Player:
        """A player, or the one that its first command would create."""
        found = self.players.get(uid)
        return found or Player(self.economy["initial_tokens"], self.economy["initial_gems"], str(uid))

    def join(self, uid: int, player: Player) -> bool:
        """The command will have an effect; whether it is the player's first."""
        created = uid not in self.players
        self.players[uid] = player
        return created

    def commitment(self, uid: int, player: Player) -> str:
        return fairness.commitment(self.seed(uid, player.generation))

    def rolls(self, uid: int, nonce: int, count: int) -> list[float]:
        """The rolls of a draw under the player's seeds in force."""
        player = self.players[uid]
        return fairness.rolls(self.seed(uid, player.generation), player.client_seed, nonce, count)

    def payout_max(self, uid: int) -> int:
        """The largest payout of the open crash bet; 0: none is open."""
        crash = self.crash.get(uid)
        return crash.open.payout_max if crash and crash.open else 0

    def date(self, now_ms: int) -> datetime.date:
        """The day of the daily counters."""
        return datetime.datetime.fromtimestamp(now_ms / 1000, self.zone).date()

    def day(self, now_ms: int) -> int:
        """Its number, from 1970-01-01 on."""
        return (self.date(now_ms) - _DAY_ZERO).days

    # What keys hold.

    def player_image(self, uid: int) -> tuple[str, bytes]:
        """Key and durable part of a player's record."""
        player = self.players[uid]
        bits = {game: 1 << place for place, game in enumerate(GAMES)}
        open_sessions = [
            game for (owner, game), session in self.sessions.items() if owner == uid and session.open
        ]
        return f"{{0}}:player:{uid}", records.player(
            banned=player.banned, tokens=player.tokens, gems=player.gems,
            excluded_until_ms=player.excluded_until_ms, day=player.day, pulls=player.pulls,
            nonce=player.nonce, key=self.key_id, generation=player.generation,
            commitment=self.commitment(uid, player), client_seed=player.client_seed,
            payout_max=self.payout_max(uid), sessions=sum(bits[game] for game in open_sessions),
        )  # fmt: skip

    def gacha_image(self, uid: int, banner: str) -> tuple[str, bytes]:
        return f"{{0}}:gacha:{uid}:{banner}", records.gacha(self.progress[uid, banner])

    def crash_image(self, uid: int) -> tuple[str, bytes]:
        return f"{{0}}:crash:{uid}", records.crash(self.crash[uid])

    def session_image(self, uid: int, game: str) -> tuple[str, bytes]:
        return f"{{0}}:session:{uid}:{game}", records.session(self.sessions[uid, game])

    def state(self) -> dict[str, bytes | dict[str, bytes]]:
        """Every durable key that Redis should hold, besides head and outbox: records, hashes, economies."""
        state: dict[str, bytes | dict[str, bytes]] = dict(self.player_image(uid) for uid in self.players)
        state |= dict(self.gacha_image(uid, banner) for uid, banner in self.progress)
        state |= dict(self.crash_image(uid) for uid in self.crash)
        state |= dict(self.session_image(uid, game) for uid, game in self.sessions)
        for banner, pool in self.pools.items():
            if pool:
                state[f"{{0}}:pool:{banner}"] = {each: str(left).encode() for each, left in pool.items()}
        for version, economy in self.economies.items():
            form = json.dumps(economy, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            state[f"{{0}}:economy:{version}"] = form.encode()
        return state

    # What comes before the rules of a game.

    def first_answer(self, ask: Ask, command: str, request: Json) -> Answer | None:
        """The answer to the first call with this idempotency key."""
        if not ask.key or (ask.uid, ask.key) not in self.kept:
            return None
        asked, reply = self.kept[ask.uid, ask.key]
        if asked != command + json.dumps(request, sort_keys=True):
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return Answer(reply, replayed=True)

    def keep(self, ask: Ask, command: str, request: Json, reply: Json) -> None:
        """Remember the answer of a command that had an effect."""
        if ask.key:
            self.kept[ask.uid, ask.key] = command + json.dumps(request, sort_keys=True), reply

    def admit(self, ask: Ask, *, bets: bool) -> Player:
        """The player, who is not banned, nor excluded from what spends or bets."""
        player = self.player(ask.uid)
        if player.banned:
            raise Refused("PLAYER_BANNED")
        if bets and player.excluded_until_ms > ask.now_ms:
            raise Refused("PLAYER_EXCLUDED", excluded_until=player.excluded_until_ms)
        return player

    def require_open(self, game: str) -> None:
        """Operators can switch off one game, or all."""
        if self.economy["maintenance"]:
            raise Refused("MAINTENANCE", retry_after_ms=SWITCHED_OFF_RETRY_MS)
        if not self.economy[game]["enabled"]:
            raise Refused("GAME_DISABLED", retry_after_ms=SWITCHED_OFF_RETRY_MS)

    def require_bet(self, amount: int, game: str) -> None:
        least, most, step = (self.economy[game][name] for name in ("bet_min", "bet_max", "bet_step"))
        if not least <= amount <= most or amount % step:
            raise Refused("BET_OUT_OF_RANGE", min=least, max=most, step=step)

    def limit(self, ask: Ask, calls: CallLog, scope: str) -> bool:
        """Whether a rate limit only says that it would refuse this."""
        rates = self.economy["rate_limit"]
        rate = rates[scope][ask.tier]
        second_ms, minute_ms = calls.waits_ms(ask.now_ms, rate["per_second"], rate["per_minute"])
        wait_ms = max(second_ms, minute_ms)
        if wait_ms and rates["mode"] == "enforce":
            raise Refused(
                "RATE_LIMITED", retry_after_ms=wait_ms + calls.behind_ms(ask.now_ms), scope=scope,
                window="minute" if minute_ms > second_ms else "second",
                limit_per_second=rate["per_second"], limit_per_minute=rate["per_minute"],
            )  # fmt: skip
        return wait_ms > 0

    def count(self, ask: Ask, calls: CallLog, scope: str, blocked: bool) -> None:
        """A call had an effect; one that is blocked is not counted."""
        if not blocked:
            calls.add(ask.now_ms)

    def require_stake(self, uid: int, player: Player, bet: int, payout_most: int) -> None:
        """The balance covers the bet, and what may come of it fits in."""
        if player.tokens < bet:
            raise Refused("INSUFFICIENT_BALANCE", balance=player.tokens, required=bet, currency="tokens")
        if player.tokens - bet + self.payout_max(uid) + payout_most > BALANCE_MAX:
            raise Refused("BALANCE_CAP", balance=player.tokens, max=BALANCE_MAX)

    # What comes after.

    def record(
        self,
        type_: str,
        ask: Ask,
        terms: object,
        images: Sequence[tuple[str, bytes]],
        *,
        result: bytes = b"",
        changes: Changes = (),
        created: bool = False,
    ) -> None:
        """Append the event of a player's command."""
        self.log.append(
            Recorded(
                type_, ask.uid, ask.tier, ask.op_id, ask.key, self.version, terms, ask.now_ms, created,
                tuple((name, len(image)) for name, image in images), b"".join(image for _, image in images) + result,
                changes,
            )
        )  # fmt: skip

    def event(self) -> Json:
        """What a receipt says of the newest event."""
        seq = len(self.log) - 1
        return {"event_id": f"0-{self.epoch}-{seq}", "seq": seq, "economy": self.version}

    def receipt(self, uid: int, nonce: int | None = None) -> Json:
        """The receipt of the newest event; of the player's last draw, if no nonce is given."""
        player = self.players[uid]
        return self.event() | {
            "nonce": player.nonce if nonce is None else nonce,
            "commitment": self.commitment(uid, player),
        }
