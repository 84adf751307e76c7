"""The casino in plain Python: what commands must do, without a server, a script or a line of the engine.

Requests, replies and economies are plain dicts as their JSON reads; events are the bytes that an outbox would hold.
"""

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.model import fairness, records
from tests.model.draws import RARITIES, Draw, Progress, draw

Json = dict[str, Any]

_DAY_ZERO = datetime.date(1970, 1, 1)


class Refused(Exception):
    """The command changed nothing. `fields` are the extra members of the error, times in Unix ms."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


class Ask(NamedTuple):
    """Who asks, when, and with which idempotency key (empty: none)."""

    uid: int
    tier: str
    op_id: bytes
    now_ms: int
    key: str = ""


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
    changes: tuple[tuple[str, str, bytes], ...]


@dataclass
class Player:
    """One player."""

    tokens: int
    gems: int
    client_seed: str
    generation: int = 1
    nonce: int = 0
    day: int = 0
    pulls: int = 0
    banned: bool = False
    excluded_until_ms: int = 0


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
    pools: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: dict[tuple[int, str], tuple[str, Json]] = field(default_factory=dict)
    log: list[Recorded] = field(default_factory=list)

    # The economy.

    def open(self) -> None:
        """The first event of an epoch."""
        self.log.append(Recorded("epoch.opened", 0, "", b"", "", "", None, 0, False, (), b"", ()))

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
        self.log.append(
            Recorded("economy.changed", 0, "", b"", "", version, None, 0, False, (), b"", tuple(changes))
        )

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

    def player_bytes(self, uid: int) -> bytes:
        """The durable part of a player's record."""
        player = self.players[uid]
        return records.player(
            banned=player.banned, tokens=player.tokens, gems=player.gems,
            excluded_until_ms=player.excluded_until_ms, day=player.day, pulls=player.pulls,
            nonce=player.nonce, key=self.key_id, generation=player.generation,
            commitment=fairness.commitment(self.seed(uid, player.generation)), client_seed=player.client_seed,
        )  # fmt: skip

    def state(self) -> dict[str, bytes | dict[str, bytes]]:
        """Every durable key that Redis should hold, besides head and outbox: records, hashes, economies."""
        state: dict[str, bytes | dict[str, bytes]] = {
            f"{{0}}:player:{uid}": self.player_bytes(uid) for uid in self.players
        }
        for (uid, banner), progress in self.progress.items():
            state[f"{{0}}:gacha:{uid}:{banner}"] = records.gacha(progress)
        for banner, pool in self.pools.items():
            if pool:
                state[f"{{0}}:pool:{banner}"] = {each: str(left).encode() for each, left in pool.items()}
        for version, economy in self.economies.items():
            form = json.dumps(economy, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            state[f"{{0}}:economy:{version}"] = form.encode()
        return state

    # Commands.

    def pull(self, ask: Ask, request: Json, *, legacy: bool = False) -> tuple[Json, bool]:
        """`gacha.pull`: the reply, and whether it is a replay. Raises Refused."""
        if (first := self._kept(ask, "pull", request)) is not None:
            return first, True
        player = self._admit(ask)
        if player.excluded_until_ms > ask.now_ms:
            raise Refused("PLAYER_EXCLUDED", excluded_until=player.excluded_until_ms)
        banner, cost, terms = self._price(ask, request, legacy)
        pulls = self._pulls_today(player, ask, terms[4])
        gems = request["use_premium_currency"]
        balance = player.gems if gems else player.tokens
        if balance < cost:
            currency = "gems" if gems else "tokens"
            raise Refused("INSUFFICIENT_BALANCE", balance=balance, required=cost, currency=currency)

        created = ask.uid not in self.players
        self.players[ask.uid] = player
        player.day, player.pulls = max(player.day, self._day(ask.now_ms)), pulls + 1
        player.tokens, player.gems = player.tokens - cost * (not gems), player.gems - cost * gems
        player.nonce += 1
        progress = self.progress.setdefault((ask.uid, request["banner"]), Progress())
        before = records.gacha(progress)
        draws, changes = self._draw(ask.uid, request, banner, progress)
        names = (f"{{0}}:player:{ask.uid}", f"{{0}}:gacha:{ask.uid}:{request['banner']}")
        after = self.player_bytes(ask.uid) + records.gacha(progress)
        result = records.pulled(before, draws)
        sizes = tuple(zip(names, (records.PLAYER_BYTES, records.GACHA_BYTES), strict=True))
        self._record("gacha.pulled", ask, terms, created, sizes, after + result, changes)
        reply = {
            "items": [self._item(each) for each in draws],
            "daily_remaining": terms[4] - player.pulls,
            "cost_used": cost,
            "balance": player.tokens,
            "gems": player.gems,
            "pity": progress.pity(),
            "legacy_cost_mode": terms[3],
            "receipt": self._receipt(ask.uid, player),
        }
        return self._keep(ask, "pull", request, reply), False

    def rotate(self, ask: Ask, request: Json) -> tuple[Json, bool]:
        """`fairness.rotate`: the reply, and whether it is a replay. Raises Refused."""
        if (first := self._kept(ask, "rotate", request)) is not None:
            return first, True
        player = self._admit(ask)
        created = ask.uid not in self.players
        self.players[ask.uid] = player
        seed, old_client = self.seed(ask.uid, player.generation), player.client_seed
        revealed = {
            "server_seed": seed,
            "commitment": fairness.commitment(seed),
            "client_seed": old_client,
            "generation": player.generation,
            "last_nonce": player.nonce,
        }
        result = records.rotated(self.key_id, player.generation, fairness.commitment(seed), old_client, seed)
        player.generation += 1
        player.client_seed = request["client_seed"] or old_client
        sizes = ((f"{{0}}:player:{ask.uid}", records.PLAYER_BYTES),)
        self._record("fairness.rotated", ask, [], created, sizes, self.player_bytes(ask.uid) + result, ())
        reply = {
            "revealed": revealed,
            "commitment": fairness.commitment(self.seed(ask.uid, player.generation)),
            "client_seed": player.client_seed,
            "next_nonce": player.nonce + 1,
            "generation": player.generation,
            "receipt": self._receipt(ask.uid, player),
        }
        return self._keep(ask, "rotate", request, reply), False

    def _receipt(self, uid: int, player: Player) -> Json:
        """The receipt of the newest event."""
        return {
            "event_id": f"0-{self.epoch}-{len(self.log) - 1}",
            "seq": len(self.log) - 1,
            "economy": self.version,
            "nonce": player.nonce,
            "commitment": fairness.commitment(self.seed(uid, player.generation)),
        }

    # Queries.

    def wallet(self, uid: int) -> Json:
        player = self.player(uid)
        return {"user_id": uid, "tokens": player.tokens, "gems": player.gems}

    def fairness(self, uid: int) -> Json:
        player = self.player(uid)
        return {
            "commitment": fairness.commitment(self.seed(uid, player.generation)),
            "client_seed": player.client_seed,
            "next_nonce": player.nonce + 1,
            "generation": player.generation,
        }

    def stats(self, ask: Ask) -> Json:
        banners: Json = {}
        for name in self.economy["gacha"]["banners"]:
            progress = self.progress.get((ask.uid, name), Progress())
            banners[name] = {
                "rarity_counts": progress.delivered,
                "pity": progress.pity(),
                "draws": sum(progress.delivered.values()),
            }
        player, limit = self.player(ask.uid), self.economy["gacha"]["daily_limit"][ask.tier]
        used = player.pulls if player.day >= self._day(ask.now_ms) else 0
        each = [banner["rarity_counts"] for banner in banners.values()]
        return {
            "rarity_counts": {rarity: sum(counts[rarity] for counts in each) for rarity in RARITIES},
            "draws": sum(banner["draws"] for banner in banners.values()),
            "daily_remaining": max(0, limit - used),
            "banners": banners,
        }

    # Parts.

    def _kept(self, ask: Ask, command: str, request: Json) -> Json | None:
        if not ask.key or (ask.uid, ask.key) not in self.kept:
            return None
        asked, reply = self.kept[ask.uid, ask.key]
        if asked != command + json.dumps(request, sort_keys=True):
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return reply

    def _keep(self, ask: Ask, command: str, request: Json, reply: Json) -> Json:
        if ask.key:
            self.kept[ask.uid, ask.key] = command + json.dumps(request, sort_keys=True), reply
        return reply

    def _price(self, ask: Ask, request: Json, legacy: bool) -> tuple[Json, int, list[Any]]:
        """The banner, the price, and the event's terms."""
        gacha, gems = self.economy["gacha"], request["use_premium_currency"]
        banner = gacha["banners"].get(request["banner"])
        if banner is None:
            raise Refused("BANNER_NOT_FOUND")
        if not banner["enabled"]:
            raise Refused("GAME_DISABLED")
        tokens: Json = gacha["legacy_cost"] if legacy else banner["cost_tokens"]
        prices: Json | None = banner["cost_gems"] if gems else tokens
        if prices is None:
            raise Refused("PREMIUM_NOT_AVAILABLE")
        cost = prices["one" if request["count"] == 1 else "ten"]
        limit = gacha["daily_limit"][ask.tier]
        return banner, cost, [request["banner"], int(gems), cost, legacy and not gems, limit]

    def _admit(self, ask: Ask) -> Player:
        player = self.player(ask.uid)
        if player.banned:
            raise Refused("PLAYER_BANNED")
        return player

    def _pulls_today(self, player: Player, ask: Ask, limit: int) -> int:
        pulls = player.pulls if player.day >= self._day(ask.now_ms) else 0
        if pulls >= limit:
            midnight = datetime.datetime.combine(
                self._date(ask.now_ms) + datetime.timedelta(days=1), datetime.time(), self.zone
            )
            resets_at = round(midnight.timestamp() * 1000)
            raise Refused("DAILY_GACHA_LIMIT", limit=limit, used=pulls, resets_at=resets_at)
        return pulls

    def _date(self, now_ms: int) -> datetime.date:
        return datetime.datetime.fromtimestamp(now_ms / 1000, self.zone).date()

    def _day(self, now_ms: int) -> int:
        return (self._date(now_ms) - _DAY_ZERO).days

    def _draw(
        self, uid: int, request: Json, banner: Json, progress: Progress
    ) -> tuple[list[Draw], tuple[tuple[str, str, bytes], ...]]:
        """The draws of a pull, and the after-images of the pool."""
        name, player = request["banner"], self.players[uid]
        limited = [rarity for rarity in RARITIES[:3] if banner["stock"][rarity] is not None]
        stock = {rarity: self.pools[name][rarity] for rarity in limited}
        u = fairness.rolls(
            self.seed(uid, player.generation), player.client_seed, player.nonce, 2 * request["count"]
        )
        draws = [draw(banner, progress, stock, u[2 * j], u[2 * j + 1]) for j in range(request["count"])]
        changed = [rarity for rarity in limited if stock[rarity] != self.pools[name][rarity]]
        self.pools.get(name, {}).update(stock)
        return draws, tuple((f"{{0}}:pool:{name}", each, str(stock[each]).encode()) for each in changed)

    def _item(self, drawn: Draw) -> Json:
        return {
            "rarity": drawn.rarity,
            "item_id": drawn.item_id,
            "animation_type": self.economy["gacha"]["animations"][drawn.rarity],
            "near_miss": drawn.near_miss,
            "downgraded_from": drawn.downgraded_from,
        }

    def _record(
        self,
        type_: str,
        ask: Ask,
        terms: object,
        created: bool,
        sizes: tuple[tuple[str, int], ...],
        body: bytes,
        changes: tuple[tuple[str, str, bytes], ...],
    ) -> None:
        self.log.append(
            Recorded(
                type_, ask.uid, ask.tier, ask.op_id, ask.key, self.version, terms, ask.now_ms, created, sizes, body,
                changes,
            )
        )  # fmt: skip
