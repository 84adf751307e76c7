"""A hypothesis state machine that drives the engine and the model side by side, and compares all that they leave."""

import asyncio
import json
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import croupier_lua
from croupier.command import Caller
from croupier.economy import canonical
from croupier.errors import CroupierError
from croupier.fairness.queries import FAIRNESS
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.gacha.queries import STATS
from croupier.query import Query
from croupier.wallet import WALLET
from croupier_schemas import keys
from croupier_schemas.economy import Economy, Tier
from croupier_schemas.events import Event
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.records import FLAG_BANNED, PLAYER
from tests.commands.economies import banner, economy
from tests.commands.world import MASTER_KEY, P, World, caller, encoded
from tests.model.casino import Ask, Casino, Json, Recorded, Refused

HOUR_MS = 3_600_000

_PRICES = {"cost_tokens": {"one": 5_000, "ten": 50_000}, "cost_gems": {"one": 3, "ten": 30}}
_FEATURED = {
    "Legendary": [{"id": "crown", "weight": 2}, {"id": "throne", "featured": True}, {"id": "scepter"}],
    "Epic": [{"id": "dice"}, {"id": "ace"}],
    "Rare": [{"id": "card"}],
    "Common": [{"id": "chip", "weight": 5}, {"id": "coin", "weight": 2}],
}
_SOFT = banner(
    **_PRICES,
    items=_FEATURED,
    rate_up="Legendary",
    near_miss_ppm=100_000,
    pity={
        "Legendary": {"hard": 12, "soft": {"from_draw": 4, "step_ppm": 150_000}},
        "Epic": {"soft": {"from_draw": 2, "step_ppm": 90_000}},
        "Rare": {"hard": 5},
    },
)
_LIMITED = banner(
    cost_tokens={"one": 100, "ten": 900},
    stock={"Legendary": 3, "Epic": 9},
    pity={"Legendary": {"hard": 7}, "Epic": {"hard": 4}},
)
_LIMITS = {"daily_limit": {"STANDARD": 3, "PREMIUM": 5, "VIP": 5}}
ECONOMIES: tuple[Economy, ...] = (
    economy({"soft": _SOFT, "limited": _LIMITED}, initial_tokens=160_000, initial_gems=40, gacha=_LIMITS),
    economy(
        {"soft": _SOFT | {"enabled": False}, "limited": _LIMITED | {"stock": {"Legendary": 50, "Rare": 4}}},
        initial_tokens=20_000,
        initial_gems=7,
    ),
    economy({"limited": _LIMITED | {"rate_up": "Common", "items": _FEATURED | {"Common": [
        {"id": "chip", "weight": 5}, {"id": "coin", "featured": True}]}}}, gacha=_LIMITS),
)  # fmt: skip

UIDS = st.integers(1, 4)
KEYS = st.sampled_from(["", "", "", "first", "second-{p}:%n"])
TIERS: st.SearchStrategy[Tier] = st.sampled_from(["STANDARD", "PREMIUM", "VIP"])


class EngineAndModel(RuleBasedStateMachine):
    """`url` is that of a Redis server that the machine may empty."""

    def __init__(self, url: str) -> None:
        super().__init__()
        with redis.Redis.from_url(url) as client:
            client.flushall()
        self.runner = asyncio.Runner()
        self.world = self.runner.run(World.of(url, ECONOMIES[0]))
        self.model = Casino(MASTER_KEY, 1, ZoneInfo("Asia/Seoul"))
        self.model.open()
        self.model.push(canonical(ECONOMIES[0]))
        self.seen = 0
        self.first_replies: dict[tuple[int, str], bytes] = {}

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
        request = GachaPull(count, banner, gems)
        self.run_both(PULL, self.model.pull, Ask(uid, tier, self.op_id(), self.world.clock(), key), request)

    @rule(uid=UIDS, key=KEYS, client_seed=st.sampled_from([None, "a", "Client-Seed_of_32_characters_012"]))
    def rotate_seed(self, uid: int, key: str, client_seed: str | None) -> None:
        self.rotate(uid, key, client_seed)

    def rotate(self, uid: int, key: str, client_seed: str | None) -> None:
        ask = Ask(uid, "STANDARD", self.op_id(), self.world.clock(), key)
        self.run_both(ROTATE, self.model.rotate, ask, FairnessRotate(client_seed))

    def run_both(self, command: Any, in_model: Any, ask: Ask, request: msgspec.Struct) -> None:
        asked = caller(ask.uid, tier=ask.tier, key=ask.key, op_id=ask.op_id)  # type: ignore[arg-type]
        try:
            expected, replayed = in_model(ask, json.loads(encoded(request)))
        except Refused as refusal:
            expected_refusal = refusal.code, refusal.fields
        else:
            self.must_reply(command, asked, request, expected, replayed)
            return
        error = self.refusal(command, asked, request)
        assert (error.code, error_fields(error)) == expected_refusal

    def must_reply(
        self, command: Any, asked: Caller, request: msgspec.Struct, expected: Json, replayed: bool
    ) -> None:
        reply, was_replayed = self.runner.run(self.world.engine.execute(command, asked, request))
        assert json.loads(encoded(reply)) == expected
        assert was_replayed == replayed
        if key := asked.idempotency_key:
            assert self.first_replies.setdefault((asked.uid, key), encoded(reply)) == encoded(reply)

    def refusal(self, command: Any, asked: Caller, request: msgspec.Struct) -> CroupierError:
        try:
            reply = self.runner.run(self.world.engine.execute(command, asked, request))
        except CroupierError as error:
            return error
        raise AssertionError(f"the model refuses what the engine answers: {reply}")

    def op_id(self) -> bytes:
        return len(self.model.log).to_bytes(16, "big")

    # What happens around them.

    @rule(index=st.integers(0, len(ECONOMIES) - 1))
    def push_economy(self, index: int) -> None:
        self.runner.run(self.world.push(ECONOMIES[index]))
        self.model.push(canonical(ECONOMIES[index]))

    @rule(hours=st.sampled_from([1, 11, 13, 24, 49, -24]))
    def move_the_clock(self, hours: int) -> None:
        self.world.clock.now_ms += hours * HOUR_MS

    @rule(uid=UIDS, banned=st.booleans(), excluded_h=st.sampled_from([0, 0, 1, 20]))
    def restrict(self, uid: int, banned: bool, excluded_h: int) -> None:
        if player := self.model.players.get(uid):
            until_ms = self.world.clock() + excluded_h * HOUR_MS
            player.banned, player.excluded_until_ms = banned, until_ms
            flags = FLAG_BANNED if banned else 0
            self.runner.run(self.world.change_player(uid, flags=flags, excluded_until_ms=until_ms))

    @rule(uid=UIDS, tokens=st.sampled_from([4_999, 5_000, 10**6]), gems=st.sampled_from([2, 3, 999]))
    def set_balances(self, uid: int, tokens: int, gems: int) -> None:
        if player := self.model.players.get(uid):
            player.tokens, player.gems = tokens, gems
            self.runner.run(self.world.change_player(uid, tokens=tokens, gems=gems))

    @rule(uid=UIDS)
    def lose_the_volatile_tail(self, uid: int) -> None:
        """As after a restore from the mirror."""
        if uid in self.model.players:
            name = keys.player(P, uid)
            record: Any = self.call("GET", name)
            self.call("SET", name, record[: PLAYER.durable_size])

    @rule(uid=UIDS, key=KEYS)
    def let_an_idempotency_key_expire(self, uid: int, key: str) -> None:
        self.call("DEL", f"{{{P}}}:idem:{uid}:{key}")
        self.model.kept.pop((uid, key), None)
        self.first_replies.pop((uid, key), None)

    # What must be equal.

    @rule(uid=UIDS, tier=TIERS)
    def ask_for_wallet_fairness_and_stats(self, uid: int, tier: Tier) -> None:
        ask = Ask(uid, tier, b"", self.world.clock())
        expected = self.model.wallet(uid), self.model.fairness(uid), self.model.stats(ask)
        queries: tuple[Query[Any, Any], ...] = (WALLET, FAIRNESS, STATS)
        for query, answer in zip(queries, expected, strict=True):
            reply = self.runner.run(self.world.ask(query, caller(uid, tier=tier)))
            assert json.loads(encoded(reply)) == answer

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
        held = self.runner.run(self.held())
        kept = {name for name in held if name.startswith(f"{{{P}}}:idem:")}
        state = {name: value for name, value in held.items() if name not in kept}
        assert state == self.model.state()
        assert kept == {f"{{{P}}}:idem:{uid}:{key}" for uid, key in self.model.kept}

    async def held(self) -> dict[str, object]:
        """Every key in Redis but head and outbox; of players, the durable part."""
        call = self.world.transport.call
        names: Any = await call("KEYS", "*")
        texts = [name.decode() for name in names]
        pools = [name for name in texts if name.startswith(f"{{{P}}}:pool:")]
        others = [f"{{{P}}}:head", *(name for name in texts if name.startswith(f"{{{P}}}:outbox:"))]
        strings = [name for name in texts if name not in pools and name not in others]
        assert len(others) == 2
        values: Any = await call("MGET", *strings)
        held: dict[str, object] = dict(zip(strings, values, strict=True))
        for name in strings:
            if name.startswith(f"{{{P}}}:player:"):
                held[name] = values[strings.index(name)][: PLAYER.durable_size]
        for name in pools:
            fields: Any = await call("HGETALL", name)
            held[name] = dict(zip(map(bytes.decode, fields[::2]), fields[1::2], strict=True))
        return held

    def call(self, *args: bytes | str) -> object:
        return self.runner.run(self.world.transport.call(*args))


def error_fields(error: CroupierError) -> Json:
    """The error's fields with times in Unix ms; one banner more or less is not a field."""
    return {
        name: round(value.timestamp() * 1000) if hasattr(value, "timestamp") else value
        for name, value in error.fields.items()
    }


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
        op_id=expected.op_id if by_system else header.op_id,
        key=header.idempotency_key,
        economy=header.economy.hex(),
        terms=terms,
        ts_ms=expected.ts_ms if by_system else event.ts_ms,
        created=event.created,
        records=header.records,
        body=images + event.result,
        changes=tuple((each.key, each.field, each.value or b"") for each in event.changes[len(records) :]),
    )
