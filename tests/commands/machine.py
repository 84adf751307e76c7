"""A hypothesis state machine that drives the engine and the model side by side, and compares all that they leave."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

import croupier_lua
from croupier.actions.record import RECORD
from croupier.command import SYSTEM_ROLE, Caller
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.current import CURRENT
from croupier.crash.settle import SETTLE
from croupier.economy import canonical
from croupier.errors import CroupierError
from croupier.fairness.queries import FAIRNESS
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.gacha.queries import STATS
from croupier.partition import PartitionError
from croupier.pool import add_to_pool
from croupier.query import Query
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier.wallet import WALLET
from croupier_schemas import keys
from croupier_schemas.actions import ActionsRecord
from croupier_schemas.crash import CrashBet, CrashCashout, CrashSettle
from croupier_schemas.economy import GAMES, Game, Rarity, Tier
from croupier_schemas.events import Event
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.records import FLAG_BANNED
from croupier_schemas.rewards import RewardsDistribute, RewardType
from croupier_schemas.rps import Move, RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin
from tests.commands.casino_economies import ECONOMIES
from tests.commands.stored import durable, index, stored
from tests.commands.world import MASTER_KEY, P, World, caller, encoded
from tests.model import queries
from tests.model.casino import BALANCE_MAX, Answer, Ask, Casino, Json, Recorded, Refused
from tests.model.commands import actions, crash, fairness, gacha, rewards, rps, sessions, slot
from tests.redis_server import administrator

ADMIN = 900
HOUR_MS = 3_600_000
NOBODY = "0" * 32
ROUNDS = ("open", "open", "open", "settled", "none")
SHORT_MS = (0, 1, 250, 999, 1_000, 4_000, 9_000, 30_000, 59_999, 60_000, -300, -5_000, -70_000)
LONG_MS = tuple(HOUR_MS * hours for hours in (1, 1, 11, 13, 24, 49, -24))

UIDS = st.sampled_from([1, 1, 1, 2, 2, 3])
KEYS = st.sampled_from(["", "", "", "first", "second-{p}:%n", "third"])
TIERS: st.SearchStrategy[Tier] = st.sampled_from(["STANDARD", "PREMIUM", "VIP", "VIP"])
PLACES = st.integers(0, 9)
GAME_TYPES: st.SearchStrategy[Game] = st.sampled_from(GAMES)
ACTION_DATA = st.sampled_from([{}, {"z": 1, "a": [{"of": "ß", "in": None}, 0.5, True]}])
BETS = st.sampled_from([100, 100, 100, 300, 2_500, 100_000, 137, 9, 0, 10_000_000_000])

Model = Callable[[Casino, Ask, Json], Answer]


class EngineAndModel(RuleBasedStateMachine):
    """`url` is that of a Redis server that the machine may empty."""

    def __init__(self, url: str) -> None:
        super().__init__()
        with administrator(url) as client:
            client.flushall()
        self.runner = asyncio.Runner()
        self.world = self.runner.run(World.of(url, ECONOMIES[0]))
        self.model = Casino(MASTER_KEY, 1, ZoneInfo("Asia/Seoul"))
        self.model.open()
        self.model.push(canonical(ECONOMIES[0]))
        self.seen = 0
        self.first_replies: dict[tuple[int, str], bytes] = {}
        self.remembered: list[tuple[Any, Model, Ask, msgspec.Struct, Caller]] = []

    def teardown(self) -> None:
        self.runner.run(self.world.close())
        self.runner.close()

    # Commands.

    @rule(
        uid=UIDS,
        tier=TIERS,
        key=KEYS,
        banner=st.sampled_from(["soft", "soft", "limited", "limited", "nowhere"]),
        count=st.sampled_from([1, 10]),
        gems=st.booleans(),
    )
    def pull(self, uid: int, tier: Tier, key: str, banner: str, count: Any, gems: bool) -> None:
        self.run_both(PULL, gacha.pull, self.ask(uid, tier, key), GachaPull(count, banner, gems))

    @rule(
        uid=UIDS,
        tier=TIERS,
        key=KEYS,
        client_seed=st.sampled_from([None, "a", "Client-Seed_of_32_characters_012"]),
    )
    def rotate(self, uid: int, tier: Tier, key: str, client_seed: str | None) -> None:
        self.run_both(ROTATE, fairness.rotate, self.ask(uid, tier, key), FairnessRotate(client_seed))

    @rule(uid=UIDS, tier=TIERS, key=KEYS, bet=BETS, auto=st.sampled_from([None, 1.01, 1.3, 2, 2.99]))
    def bet(self, uid: int, tier: Tier, key: str, bet: int, auto: float | None) -> None:
        self.run_both(BET, crash.bet, self.ask(uid, tier, key), CrashBet(bet, auto))

    @precondition(lambda self: self.model.crash)
    @rule(
        tier=TIERS, key=KEYS, place=PLACES, which=st.sampled_from(ROUNDS), after_ms=st.sampled_from(SHORT_MS)
    )
    def cash_out(self, tier: Tier, key: str, place: int, which: str, after_ms: int) -> None:
        self.world.clock.now_ms += after_ms
        uid, game = self.round_of(place, which)
        self.run_both(CASHOUT, crash.cash_out, self.ask(uid, tier, key), CrashCashout(game))

    @precondition(lambda self: self.model.crash)
    @rule(place=PLACES, which=st.sampled_from(ROUNDS), after_ms=st.sampled_from(SHORT_MS))
    def settle(self, place: int, which: str, after_ms: int) -> None:
        self.world.clock.now_ms += after_ms
        uid, game = self.round_of(place, which)
        self.run_both(SETTLE, crash.settle, self.system(uid), CrashSettle(game))

    @rule(uid=UIDS, tier=TIERS, key=KEYS, bet=BETS)
    def spin(self, uid: int, tier: Tier, key: str, bet: int) -> None:
        self.run_both(SPIN, slot.spin, self.ask(uid, tier, key), SlotSpin(bet))

    @rule(
        uid=UIDS,
        tier=TIERS,
        key=KEYS,
        move=st.sampled_from(["ROCK", "PAPER", "SCISSORS"]),
        bet=BETS,
    )
    def play(self, uid: int, tier: Tier, key: str, move: Move, bet: int) -> None:
        self.run_both(PLAY, rps.play, self.ask(uid, tier, key), RpsPlay(move, bet))

    @rule(
        uid=UIDS,
        kind=st.sampled_from(["TOKENS", "GEMS"]),
        amount=st.sampled_from([1, 5_000, BALANCE_MAX]),
        key=st.sampled_from([None, "gift-1", "gift-2"]),
        header=KEYS,
    )
    def reward(self, uid: int, kind: RewardType, amount: int, key: str | None, header: str) -> None:
        ask = self.ask(uid, "STANDARD", key or header)._replace(by=ADMIN)
        request = RewardsDistribute(uid, kind, amount, "by chance", key)
        asked = caller(ADMIN, role="admin", key=header, op_id=ask.op_id)
        self.run_both(DISTRIBUTE, rewards.distribute, ask, request, asked)

    @rule(uid=UIDS, tier=TIERS, key=KEYS, data=ACTION_DATA)
    def record_action(self, uid: int, tier: Tier, key: str, data: Json) -> None:
        self.run_both(RECORD, actions.record, self.ask(uid, tier, key), ActionsRecord("open_shop", data))

    @rule(uid=UIDS, tier=TIERS, key=KEYS, game=GAME_TYPES)
    def start_session(self, uid: int, tier: Tier, key: str, game: Game) -> None:
        self.run_both(START, sessions.start, self.ask(uid, tier, key), SessionStart(game))

    @precondition(lambda self: self.model.sessions)
    @rule(place=PLACES, unknown=st.sampled_from([False] * 7 + [True]), system=st.booleans())
    def end_session(self, place: int, unknown: bool, system: bool) -> None:
        known = list(self.model.sessions)
        uid, game = known[place % len(known)]
        request = SessionEnd(f"{game}-{NOBODY if unknown else self.model.sessions[uid, game].id.hex()}")
        ask = self.system(uid) if system else self.ask(uid, "STANDARD")
        self.run_both(END, sessions.end, ask, request)

    @precondition(lambda self: self.remembered)
    @rule(place=PLACES)
    def repeat(self, place: int) -> None:
        """A client, or another one of the same player, sends once more what it sent with the same key before."""
        command, in_model, ask, request, asked = self.remembered[-1 - place % len(self.remembered)]
        op_id = self.op_id()
        again = ask._replace(op_id=op_id, now_ms=self.world.clock())
        self.run_both(command, in_model, again, request, replace(asked, op_id=op_id))

    def round_of(self, place: int, which: str) -> tuple[int, str]:
        """One of those who have such a round, if any, and its id; else an id that no round has."""
        found = {uid: getattr(each, which, None) for uid, each in self.model.crash.items()}
        rounds = [(uid, each.game.hex()) for uid, each in found.items() if each]
        return rounds[place % len(rounds)] if rounds else (1, NOBODY)

    def ask(self, uid: int, tier: Tier, key: str = "") -> Ask:
        return Ask(uid, tier, self.op_id(), self.world.clock(), key)

    def system(self, uid: int) -> Ask:
        return Ask(uid, "", self.op_id(), self.world.clock(), system=True)

    def op_id(self) -> bytes:
        return self.world.clock().to_bytes(6, "big") + len(self.model.log).to_bytes(10, "big")

    def run_both(
        self, command: Any, in_model: Model, ask: Ask, request: msgspec.Struct, asked: Caller | None = None
    ) -> None:
        role = SYSTEM_ROLE if ask.system else "user"
        asked = asked or Caller(ask.uid, ask.tier, role, ask.op_id, ask.key)  # type: ignore[arg-type]
        if command.key(asked, request):
            self.remembered.append((command, in_model, ask, request, asked))
        try:
            expected = in_model(self.model, ask, json.loads(encoded(request)))
        except Refused as refusal:
            expected_refusal = refusal.code, refusal.fields
        else:
            self.must_answer(command, asked, request, expected)
            return
        error = self.refusal(command, asked, request)
        assert (error.code, error_fields(error)) == expected_refusal

    def must_answer(self, command: Any, asked: Caller, request: msgspec.Struct, expected: Answer) -> None:
        outcome = self.runner.run(self.world.engine.execute(command, asked, request))
        sent = encoded(outcome.reply)
        assert Answer(json.loads(sent), outcome.replayed, outcome.rate_blocked) == expected
        if key := command.key(asked, request):
            uid = command.player(request) if command.player else asked.uid
            if expected.replayed or (uid, key) in self.model.kept:
                assert self.first_replies.setdefault((uid, key), sent) == sent

    def refusal(self, command: Any, asked: Caller, request: msgspec.Struct) -> CroupierError:
        try:
            reply = self.runner.run(self.world.engine.execute(command, asked, request))
        except CroupierError as error:
            return error
        raise AssertionError(f"the model refuses what the engine answers: {reply}")

    # What happens around them.

    @rule(place=st.integers(0, len(ECONOMIES) - 1))
    def push_economy(self, place: int) -> None:
        self.runner.run(self.world.push(ECONOMIES[place]))
        self.model.push(canonical(ECONOMIES[place]))

    @rule()
    def push_the_first_economy(self) -> None:
        """So that what is switched off is soon on again."""
        self.push_economy(0)

    @rule(
        banner=st.sampled_from(["soft", "limited"]),
        rarity=st.sampled_from(["Legendary", "Epic", "Rare"]),
        amount=st.sampled_from([1, 30]),
    )
    def add_stock(self, banner: str, rarity: Rarity, amount: int) -> None:
        adding = add_to_pool(
            self.world.transport, self.world.engine.scripts, P, banner=banner, rarity=rarity, amount=amount,
            reason="by chance",
        )  # fmt: skip
        there_is = self.model.add_to_pool(banner, rarity, amount, "by chance")
        try:
            self.runner.run(adding)
        except PartitionError:
            assert not there_is
        else:
            assert there_is

    @rule(step_ms=st.sampled_from(SHORT_MS))
    def move_the_clock(self, step_ms: int) -> None:
        self.world.clock.now_ms += step_ms

    @rule(step_ms=st.sampled_from(LONG_MS))
    def move_the_clock_far(self, step_ms: int) -> None:
        self.world.clock.now_ms += step_ms

    @rule(
        uid=UIDS, banned=st.sampled_from([False, False, True]), excluded_h=st.sampled_from([0, 0, 0, 1, 20])
    )
    def restrict(self, uid: int, banned: bool, excluded_h: int) -> None:
        if player := self.model.players.get(uid):
            until_ms = self.world.clock() + excluded_h * HOUR_MS
            player.banned, player.excluded_until_ms = banned, until_ms
            flags = FLAG_BANNED if banned else 0
            self.runner.run(self.world.change_player(uid, flags=flags, excluded_until_ms=until_ms))

    @rule(
        uid=UIDS,
        tokens=st.sampled_from([99, 4_999, 5_000, 10**6, 10**11, BALANCE_MAX - 300]),
        gems=st.sampled_from([2, 3, 999, BALANCE_MAX]),
    )
    def set_balances(self, uid: int, tokens: int, gems: int) -> None:
        if player := self.model.players.get(uid):
            # What an open bet may pay always fits in.
            player.tokens, player.gems = min(tokens, BALANCE_MAX - self.model.payout_max(uid)), gems
            self.runner.run(self.world.change_player(uid, tokens=player.tokens, gems=gems))

    @rule(uid=UIDS)
    def lose_the_volatile_tails(self, uid: int) -> None:
        """As after a restore from the mirror."""
        for name, in_model in (
            (keys.player(P, uid), self.model.players.get(uid)),
            (keys.crash(P, uid), self.model.crash.get(uid)),
        ):
            if in_model:
                record: Any = self.call("GET", name)
                self.call("SET", name, durable(name, record))
                in_model.calls.times_ms = []

    @rule(uid=UIDS, key=KEYS)
    def let_an_idempotency_key_expire(self, uid: int, key: str) -> None:
        self.call("DEL", f"{{{P}}}:idem:{uid}:{key}")
        self.model.kept.pop((uid, key), None)
        self.first_replies.pop((uid, key), None)

    # What must be equal.

    @rule(uid=UIDS, tier=TIERS)
    def ask_how_things_stand(self, uid: int, tier: Tier) -> None:
        ask = self.ask(uid, tier)
        asked: tuple[tuple[Query[Any, Any], Callable[[Casino, Ask], Json]], ...] = (
            (WALLET, queries.wallet), (FAIRNESS, queries.fairness), (STATS, queries.stats),
            (CURRENT, queries.crash_round),
        )  # fmt: skip
        for query, in_model in asked:
            reply = self.runner.run(self.world.ask(query, caller(uid, tier=tier)))
            assert json.loads(encoded(reply)) == in_model(self.model, ask)

    @initialize()
    def begin(self) -> None:
        """The invariants hold for the empty casino too."""

    @invariant()
    def same_events(self) -> None:
        events = self.runner.run(self.world.events(first=f"1-{self.seen}"))
        new = range(self.seen, len(self.model.log))
        assert [event.id.entry for event in events] == [f"1-{seq}" for seq in new]
        for event, expected in zip(events, self.model.log[self.seen :], strict=True):
            assert recorded(event, expected) == expected
        self.seen = new.stop

    @invariant()
    def same_state(self) -> None:
        held = self.runner.run(stored(self.world))
        kept = {name for name in held if name.startswith(f"{{{P}}}:idem:")}
        state = {name: value for name, value in held.items() if name not in kept}
        assert state == self.model.state()
        assert kept == {f"{{{P}}}:idem:{uid}:{key}" for uid, key in self.model.kept}

    @invariant()
    def same_indexes(self) -> None:
        """What the sweeper looks through: all that is open, and nothing else."""
        bets = self.runner.run(index(self.world, keys.crash_open(P)))
        assert bets == {
            str(uid): each.open.started_at_ms for uid, each in self.model.crash.items() if each.open
        }
        open_sessions = self.runner.run(index(self.world, keys.session_open(P)))
        assert open_sessions == {
            f"{uid}:{game}": each.started_at_ms + HOUR_MS
            for (uid, game), each in self.model.sessions.items()
            if each.open
        }

    def call(self, *args: bytes | str) -> object:
        return self.runner.run(self.world.transport.call(*args))


def error_fields(error: CroupierError) -> Json:
    """The error's fields with times in Unix ms, and when to ask again; one banner more or less is not a field."""
    fields = {
        name: round(value.timestamp() * 1000) if hasattr(value, "timestamp") else value
        for name, value in error.fields.items()
    }
    retry_s = error.retry_after_s
    return fields if retry_s is None else fields | {"retry_after_ms": round(retry_s * 1000)}


def recorded(event: Event, expected: Recorded) -> Recorded:
    """An event of the outbox in the model's terms. What the model cannot know is checked here or taken over."""
    header = event.header
    assert header.rules == croupier_lua.RULES
    assert len(header.request_hash) == (16 if header.idempotency_key else 0)
    records = dict(header.records)
    images = b"".join(change.value or b"" for change in event.changes[: len(records)])
    terms = msgspec.msgpack.decode(header.terms)
    by_system = header.uid == 0
    return Recorded(
        type=header.type,
        uid=header.uid,
        tier=header.tier,
        op_id=expected.op_id if by_system or not expected.op_id else header.op_id,
        key=header.idempotency_key,
        economy=header.economy.hex(),
        terms=terms,
        ts_ms=expected.ts_ms if by_system else event.ts_ms,
        created=event.created,
        records=header.records,
        body=images + event.result,
        changes=tuple((each.key, each.field, each.value or b"") for each in event.changes[len(records) :]),
    )
