"""What must hold of any event log and the state it left, whoever asked for what at the same time.

All of it is computed from the events and the state; the model is used to draw again what the seeds decide.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from croupier_schemas.events import Event
from croupier_schemas.records import (
    CRASH,
    CRASH_SETTLED,
    CURRENCY_TOKENS,
    GACHA_DRAW,
    PLAYER,
    RPS_PLAYED,
    SESSION,
    SLOT_SPUN,
    Crash,
    Player,
)  # fmt: skip
from tests.commands.stored import Store
from tests.commands.world import MASTER_KEY
from tests.model import crash as crash_rules
from tests.model import fairness, records
from tests.model import rps as rps_rules
from tests.model import slot as slot_rules
from tests.model.casino import BALANCE_MAX, Json
from tests.model.draws import RARITIES, Progress, draw
from tests.model.rate_limit import CallLog
from tests.model.state import GAMES, IDLE_MS

OUTCOMES = ("", "cashed", "auto", "crashed")
RATED = {
    "gacha.pulled": "games", "slot.spun": "games", "rps.played": "games", "crash.bet_placed": "games",
    "session.started": "games", "fairness.rotated": "games", "crash.settled": "cashout",
}  # fmt: skip
NO_CRASH = CRASH.unpack(CRASH.initial)


class Flow(NamedTuple):
    """What came into the world, and what went out of it."""

    minted: int = 0
    burned: int = 0

    def plus(self, other: "Flow") -> "Flow":
        return Flow(self.minted + other.minted, self.burned + other.burned)


class Round(NamedTuple):
    """What an event counts for in the player's session of a game."""

    game: str
    bet: int
    win: int


@dataclass
class Audit:
    """The books that are kept of a log. `players` are those who had a record before it began."""

    players: dict[int, Player]
    economies: dict[str, Json] = field(default_factory=dict)
    store: Store = field(default_factory=dict)
    tokens: Flow = field(default_factory=Flow)
    gems: Flow = field(default_factory=Flow)
    crash: dict[int, Crash] = field(default_factory=dict)
    settled: set[bytes] = field(default_factory=set)
    progress: dict[tuple[int, str], Progress] = field(default_factory=lambda: defaultdict(Progress))
    pools: dict[tuple[str, str], int] = field(default_factory=dict)
    put_in: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    issued: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[tuple[int, str], CallLog] = field(default_factory=lambda: defaultdict(CallLog))
    keys: set[tuple[int, str]] = field(default_factory=set)
    seq: int = 0

    def __post_init__(self) -> None:
        self.tokens = Flow(minted=sum(each.tokens for each in self.players.values()))
        self.gems = Flow(minted=sum(each.gems for each in self.players.values()))

    # One event after the other.

    def read(self, events: Sequence[Event]) -> None:
        """Raises AssertionError where an event breaks a rule."""
        for event in events:
            try:
                self._read(event)
            except AssertionError as error:
                raise AssertionError(f"event {event.id} ({event.header.type}): {error}") from error

    def _read(self, event: Event) -> None:
        assert event.id.seq == self.seq, "a gap"
        self.seq += 1
        if event.header.uid:
            self._of_player(event)
        else:
            self._of_system(event)
        for change in event.changes:
            assert change.value is not None
            if change.field:
                held = self.store.setdefault(change.key, {})
                assert isinstance(held, dict)
                held[change.field] = change.value
            else:
                self.store[change.key] = change.value

    def _of_system(self, event: Event) -> None:
        for change in event.changes:
            if ":economy:" in change.key:
                self.economies[change.key.rpartition(":")[2]] = msgspec.json.decode(change.value or b"")
        if event.header.type == "pool.added":
            banner, rarity, amount, _ = msgspec.msgpack.decode(event.header.terms)
            pool = banner, rarity
            assert amount > 0
            self.put_in[pool] += amount
            self.pools[pool] += amount
            assert event.changes[0].value == str(self.pools[pool]).encode()
        elif event.header.type == "economy.changed":
            for change in event.changes:
                if change.field:
                    pool = change.key.rpartition(":")[2], change.field
                    assert pool not in self.pools, "a pool is made once"
                    self.pools[pool] = self.put_in[pool] = int(change.value or b"")

    def _of_player(self, event: Event) -> None:
        uid, header = event.header.uid, event.header
        if header.idempotency_key:
            assert (uid, header.idempotency_key) not in self.keys, "done twice under one key"
            self.keys.add((uid, header.idempotency_key))
        before, economy = self.players.get(uid), self.economies[header.economy.hex()]
        assert event.created == (before is None)
        self._rate(event, economy)
        after = self._player_after(event)
        if before is None:
            tokens, gems = economy["initial_tokens"], economy["initial_gems"]
            self.tokens, self.gems = self.tokens.plus(Flow(tokens)), self.gems.plus(Flow(gems))
            nonce, payout_max = 0, 0
        else:
            tokens, gems, nonce, payout_max = before.tokens, before.gems, before.nonce, before.payout_max
            assert not before.flags or header.type in ("rewards.granted", "crash.settled", "session.ended")
            assert before.excluded_until_ms <= event.ts_ms or header.type in (
                "rewards.granted", "crash.settled", "session.ended", "fairness.rotated",
            ), "excluded"  # fmt: skip
        assert payout_max == self._payout_max(uid)

        draws = header.type in ("gacha.pulled", "slot.spun", "rps.played", "crash.bet_placed")
        assert after.nonce == nonce + draws, "nonces go up by one with each draw"
        token_flow, gem_flow, round_ = self._judge(event, economy, after)
        assert after.tokens == tokens + token_flow.minted - token_flow.burned, "tokens"
        assert after.gems == gems + gem_flow.minted - gem_flow.burned, "gems"
        assert token_flow.burned <= tokens and gem_flow.burned <= gems, "more spent than there was"
        assert after.payout_max == self._payout_max(uid), "payout_max"
        assert after.tokens + after.payout_max <= BALANCE_MAX and after.gems <= BALANCE_MAX, "balance"
        self.tokens, self.gems = self.tokens.plus(token_flow), self.gems.plus(gem_flow)
        self._session(event, round_)
        self.players[uid] = after

    def _player_after(self, event: Event) -> Player:
        image = event.image(f"{{0}}:player:{event.header.uid}")
        assert image is not None
        return PLAYER.unpack(image)

    def _payout_max(self, uid: int) -> int:
        crash = self.crash.get(uid, NO_CRASH)
        return crash.bet * crash.target_m100 // 100

    def _rate(self, event: Event, economy: Json) -> None:
        """What was let through was within the limits of its player's tier, in the economy of its time."""
        scope, tier = RATED.get(event.header.type), event.header.tier
        if scope is None or not tier:  # the sweeper settles too
            return
        calls, limits = self.calls[event.header.uid, scope], economy["rate_limit"]
        per_second, per_minute = limits[scope][tier]["per_second"], limits[scope][tier]["per_minute"]
        blocked = calls.wait_ms(event.ts_ms, per_second, per_minute) > 0
        assert not blocked or limits["mode"] == "shadow", "more than the rate limit allows"
        if not blocked:
            calls.add(event.ts_ms)

    def _session(self, event: Event, round_: Round | None) -> None:
        """A round counts in its game's session, if that is open, and in nothing else."""
        for game in GAMES:
            key = f"{{0}}:session:{event.header.uid}:{game}"
            image, known = event.image(key), self.store.get(key)
            before = SESSION.unpack(known) if isinstance(known, bytes) else None
            is_open = before is not None and not before.ended_at_ms
            if event.header.type in ("session.started", "session.ended"):
                if image is None:
                    continue
                after = SESSION.unpack(image)
                started = event.header.type == "session.started"
                assert bool(after.ended_at_ms) != started
                if started:
                    assert (after.rounds, after.bet, after.win) == (0, 0, 0)
                    assert not is_open or (before and event.ts_ms - before.last_at_ms >= IDLE_MS)
                else:
                    assert before and is_open, "ended twice"
                    assert event.header.tier or after.ended_at_ms == before.last_at_ms, (
                        "ended by the system, not idle"
                    )
                    assert msgspec.structs.replace(after, ended_at_ms=0) == before
                continue
            counts = (
                round_ and round_.game == game and is_open and before and event.ts_ms - before.last_at_ms < IDLE_MS
            )  # fmt: skip
            if not counts:
                assert image is None, "counted in a session that is not open"
                continue
            assert image is not None and before is not None and round_ is not None, "not counted"
            after = SESSION.unpack(image)
            assert (after.rounds, after.bet, after.win) == (
                before.rounds + 1, before.bet + round_.bet, before.win + round_.win,
            )  # fmt: skip

    # What each type of event may do.

    def _judge(self, event: Event, economy: Json, after: Player) -> tuple[Flow, Flow, Round | None]:
        """What the event did to tokens and gems, and what it counts for in a session; all of it drawn again."""
        nothing, terms = Flow(), msgspec.msgpack.decode(event.header.terms)
        match event.header.type:
            case "gacha.pulled":
                flow = Flow(0, terms[2])
                self._pulled(event, economy, after, terms)
                if terms[1] == CURRENCY_TOKENS:
                    return flow, nothing, Round("gacha", terms[2], 0)
                return nothing, flow, Round("gacha", 0, 0)
            case "slot.spun":
                (bet,) = terms
                spun = slot_rules.spin(economy["slot"], bet, self._rolls(event, after, after.nonce, 3))
                assert event.result == spun.result
                assert SLOT_SPUN.unpack(event.result).payout == spun.payout
                return Flow(spun.payout, bet), nothing, Round("slot", bet, spun.payout)
            case "rps.played":
                bet, move, _ = terms
                u = self._rolls(event, after, after.nonce, 1)[0]
                played = rps_rules.play(rps_rules.MOVES[move], bet, economy["rps"]["win_percent"], u)
                assert event.result == played.result
                assert RPS_PLAYED.unpack(event.result).payout == played.payout
                return Flow(played.payout, bet), nothing, Round("rps", bet, played.payout)
            case "crash.bet_placed":
                return Flow(0, self._bet_placed(event, economy, after, terms)), nothing, None
            case "crash.settled":
                round_ = self._crash_settled(event, after)
                return Flow(round_.win, 0), nothing, round_
            case "rewards.granted":
                assert terms[0] == event.header.uid
                flow = Flow(terms[2], 0)
                return (flow, nothing, None) if terms[1] == "TOKENS" else (nothing, flow, None)
            case "fairness.rotated":
                assert not self._payout_max(event.header.uid), "the crash point of an open bet was revealed"
                assert after.seed_generation == self._generation(event.header.uid) + 1
            case other:
                assert other in ("session.started", "session.ended"), other
        return nothing, nothing, None

    def _generation(self, uid: int) -> int:
        return self.players[uid].seed_generation if uid in self.players else 1

    def _rolls(self, event: Event, player: Player, nonce: int, count: int) -> list[float]:
        uid = event.header.uid
        assert player.seed_generation == self._generation(uid)
        seed = fairness.server_seed(MASTER_KEY, uid, player.seed_generation)
        assert player.commitment.hex() == fairness.commitment(seed)
        client_seed = player.client_seed[: player.client_seed_length].decode()
        return fairness.rolls(seed, client_seed, nonce, count)

    def _pulled(self, event: Event, economy: Json, after: Player, terms: Any) -> None:
        name, uid = terms[0], event.header.uid
        banner, progress = economy["gacha"]["banners"][name], self.progress[uid, name]
        before = records.gacha(progress)
        count = (len(event.result) - len(before)) // GACHA_DRAW.size
        assert count in (1, 10)
        stock = {
            rarity: self.pools[name, rarity] for rarity in RARITIES[:3] if banner["stock"][rarity] is not None
        }
        u = self._rolls(event, after, after.nonce, 2 * count)
        draws = [draw(banner, progress, stock, u[2 * j], u[2 * j + 1]) for j in range(count)]
        assert event.result == records.pulled(before, draws), "another draw than the seeds give"
        assert event.image(f"{{0}}:gacha:{uid}:{name}") == records.gacha(progress)
        for each in draws:
            self.issued[name, each.rarity] += each.rarity in stock
        images = {
            change.field: change.value for change in event.changes if change.key == f"{{0}}:pool:{name}"
        }
        assert images == {
            rarity: str(left).encode() for rarity, left in stock.items() if left != self.pools[name, rarity]
        }
        self.pools |= {(name, rarity): left for rarity, left in stock.items()}
        assert min(stock.values(), default=0) >= 0, "stock below 0"

    def _bet_placed(self, event: Event, economy: Json, after: Player, terms: Any) -> int:
        uid, (bet, target) = event.header.uid, terms
        before, crash = self.crash.get(uid, NO_CRASH), self._crash_after(event)
        assert not before.bet, "two open bets"
        game, cap = economy["crash"], 100 * economy["crash"]["max_multiplier"]
        assert crash == msgspec.structs.replace(
            before, game=crash.game, bet=bet, target_m100=target, cap_m100=cap, growth_ppm=game["growth_ppm"],
            started_at_ms=event.ts_ms, nonce=after.nonce,
        )  # fmt: skip
        self.crash[uid] = crash
        assert isinstance(bet, int) and bet > 0
        return bet

    def _crash_settled(self, event: Event, after: Player) -> Round:
        uid = event.header.uid
        before, crash = self.crash[uid], self._crash_after(event)
        assert before.bet, "there was no open bet"
        assert crash.settled_game == before.game and before.game not in self.settled, "settled twice"
        self.settled.add(before.game)
        point = crash_rules.crash_m100(self._rolls(event, after, before.nonce, 1)[0], before.cap_m100)
        bet = crash_rules.Bet(
            before.bet, before.target_m100, before.cap_m100, before.growth_ppm, before.started_at_ms
        )
        outcome, paid, payout = crash_rules.judge(
            bet, point, event.ts_ms, cashing_out=event.header.tier != ""
        )
        ended = OUTCOMES[crash.settled_outcome], crash.settled_m100, crash.settled_payout
        assert ended == (outcome, paid, payout), f"it should have ended {outcome}"
        assert (crash.settled_crash_m100, crash.settled_bet) == (point, before.bet)
        assert (crash.bet, crash.game) == (0, bytes(16))
        assert CRASH_SETTLED.unpack(event.result).nonce == before.nonce
        self.crash[uid] = crash
        return Round("crash", before.bet, payout)

    def _crash_after(self, event: Event) -> Crash:
        image = event.image(f"{{0}}:crash:{event.header.uid}")
        assert image is not None
        return CRASH.unpack(image)

    # At the end.

    def close(self, stored: Store) -> None:
        """The state in Redis is what the events leave, and no token, gem or item came or went but by them."""
        assert stored.keys() == self.store.keys()
        assert stored == self.store
        records_ = [PLAYER.unpack(value) for name, value in stored.items() if ":player:" in name]  # type: ignore[arg-type]
        assert sum(each.tokens for each in records_) == self.tokens.minted - self.tokens.burned
        assert sum(each.gems for each in records_) == self.gems.minted - self.gems.burned
        for (banner, rarity), put_in in self.put_in.items():
            pool = stored[f"{{0}}:pool:{banner}"]
            assert isinstance(pool, dict)
            assert int(pool[rarity]) + self.issued[banner, rarity] == put_in
