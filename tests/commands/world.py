"""The world of the command tests: one open partition on a real server, engines, a clock that tests move, and what
Redis holds."""

import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

import croupier_lua
from croupier import partition
from croupier.binding import arguments_of
from croupier.command import Caller
from croupier.economy import canonical, version
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.fairness.rotate import ROTATE
from croupier.frame import Frame
from croupier.gacha.pull import PULL
from croupier.gacha.table import compile_banner
from croupier.op_id import OpIds
from croupier.query import NoParams, Query, Sources
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_schemas.economy import BALANCE_MAX, Economy, Tier
from croupier_schemas.events import Event, EventHeader, decode_entry, encode_header
from croupier_schemas.fairness import FairnessRotate, FairnessRotateReply
from croupier_schemas.gacha import GachaPull, GachaPullReply
from croupier_schemas.records import GACHA, PLAYER, Gacha, Player
from tests.model.fairness import INSTALLATION
from tests.redis_server import administer, administrator

P = 0
MASTER_KEY = hashlib.sha256(b"master key of the command tests").digest()
DETERMINISTIC_INSTALLATION = "standalone-deterministic-tests"
SETTINGS = Settings(master_keys=f"1:{MASTER_KEY.hex()}")


def at(text: str) -> int:
    """A time in RFC 3339 as Unix time in ms."""
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


NOON_MS = at("2026-03-10T12:00:00+09:00")
TODAY = at("2026-03-10T00:00:00Z") // 86_400_000

# Later than any clock of these tests, so that no attempt's time is over unless a test says when it was made.
_op_ids = OpIds(lambda: at("2100-01-01T00:00:00Z"))


@dataclass
class Clock:
    """A server clock that stands still until a test moves it."""

    now_ms: int = NOON_MS

    def __call__(self) -> int:
        return self.now_ms


class DayArguments(NamedTuple):
    """The arguments of a pull that say which day it is."""

    day: int = TODAY
    day_from_ms: int = at("2026-03-10T00:00:00+09:00")
    day_until_ms: int = at("2026-03-11T00:00:00+09:00")


def caller(
    uid: int, *, tier: Tier = "STANDARD", key: str = "", role: str = "user", op_id: bytes | None = None
) -> Caller:
    return Caller(uid, tier, role, op_id or _op_ids.new(), key)


def encoded(reply: msgspec.Struct) -> bytes:
    """A reply as HTTP sends it."""
    return msgspec.json.encode(reply)


@dataclass
class World:
    """One partition with its first economy in force. Engines of `another_engine` have connections of their own."""

    url: str
    transport: Transport
    engine: Engine
    clock: Clock
    economy: Economy
    installation: str
    _transports: list[Transport] = field(default_factory=list)

    @classmethod
    async def of(
        cls,
        url: str,
        economy: Economy,
        *,
        epoch: int = 1,
        settings: Settings = SETTINGS,
    ) -> "World":
        """An empty server becomes a casino."""
        transport = Transport(url)
        await transport.open()
        clock = Clock()
        engine = Engine(transport, settings, clock_ms=clock)
        installation = DETERMINISTIC_INSTALLATION if settings.deterministic_seed else INSTALLATION
        world = cls(url, transport, engine, clock, economy, installation, [transport])
        await world.open(epoch=epoch)
        await world.push(economy)
        return world

    async def close(self) -> None:
        for transport in self._transports:
            await transport.close(drain_s=0.0)

    async def another_engine(
        self, settings: Settings = SETTINGS, *, clock_ms: Callable[[], int] | Literal["real"] | None = None
    ) -> Engine:
        """An engine as another process would have it; it lives by the world's clock if no other is given."""
        transport = Transport(self.url)
        await transport.open()
        self._transports.append(transport)
        return Engine(transport, settings, clock_ms=None if clock_ms == "real" else clock_ms or self.clock)

    # The partition.

    async def head(self) -> partition.Head:
        head = await partition.read_head(self.transport, P)
        assert head is not None
        return head

    async def open(self, *, epoch: int, identity: str = "") -> None:
        """Begin an epoch; the partition must be closed, as a new one is."""
        entries: Any = await self.transport.call("XREVRANGE", keys.outbox_closed(P), "+", "-", "COUNT", 1)
        opened = await partition.open_epoch(
            self.transport,
            self.engine.scripts,
            P,
            identity=identity or str(self.transport.identity),
            head=await partition.read_head(self.transport, P),
            epoch=epoch,
            installation=self.installation,
            last_entry=entries[0][0].decode() if entries else "",
        )
        assert opened

    async def shut(self) -> None:
        """Close the partition."""
        assert await partition.close(self.transport, self.engine.scripts, P, await self.head())

    async def push(self, economy: Economy) -> str:
        """Put an economy in force; its version."""
        pushed = version(economy)
        await partition.push_economy(
            self.transport,
            self.engine.scripts,
            P,
            economy=economy,
            version=pushed,
            canonical=canonical(economy),
        )
        self.economy = economy
        return pushed

    # Commands and queries.

    async def pull(
        self,
        uid: int,
        count: int = 1,
        *,
        banner: str = "main",
        gems: bool = False,
        tier: Tier = "STANDARD",
        key: str = "",
        engine: Engine | None = None,
    ) -> GachaPullReply:
        """A pull that must succeed or raise CroupierError."""
        return (await self.pull_twice(uid, count, banner, gems, tier, key, engine))[0]

    async def pull_twice(
        self,
        uid: int,
        count: int = 1,
        banner: str = "main",
        gems: bool = False,
        tier: Tier = "STANDARD",
        key: str = "",
        engine: Engine | None = None,
    ) -> tuple[GachaPullReply, bool]:
        """A pull, and whether its reply is a replay."""
        request = GachaPull(1 if count == 1 else 10, banner, gems)
        outcome = await (engine or self.engine).execute(PULL, caller(uid, tier=tier, key=key), request)
        return outcome.reply, outcome.replayed

    async def rotate(
        self, uid: int, client_seed: str | None = None, *, key: str = "", engine: Engine | None = None
    ) -> FairnessRotateReply:
        asked = caller(uid, key=key)
        return (await (engine or self.engine).execute(ROTATE, asked, FairnessRotate(client_seed))).reply

    async def refused(self, awaitable: Any) -> CroupierError:
        """The error of a command, which must leave every byte in Redis as it was."""
        before = await self.dump()
        try:
            reply = await awaitable
        except CroupierError as error:
            assert await self.dump() == before
            return error
        raise AssertionError(f"not refused: {reply}")

    async def ask(self, query: Query[Any, Any], asked: Caller, params: msgspec.Struct | None = None) -> Any:
        """The answer of a query on a server without Postgres."""
        return await query.answer(Sources(self.engine, None), asked, params or NoParams())

    # The pull's script itself.

    async def run_pull_script(
        self,
        uid: int,
        *,
        fence: str,
        epoch: int = 1,
        clock_ms: int = NOON_MS,
        days: DayArguments | None = None,
        daily_limit: int = 10_000,
    ) -> Any:
        """What `gacha.pull` answers to a caller who believes in this fence and this day."""
        script, banner = self.engine.scripts["gacha.pull"], compile_banner(self.economy.gacha.banners["main"])
        names = script.key_names(
            {"p": str(P), "fence": fence, "uid": str(uid), "key": "", "banner": "main", "game": "gacha"}
        )
        header = EventHeader(
            "gacha.pulled", uid, "STANDARD", b"\0" * 16, "", b"", bytes.fromhex(version(self.economy)),
            croupier_lua.RULES, records=tuple((names[i], size) for i, size in script.states),
        )  # fmt: skip
        seed = self.engine.master_keys.seed(INSTALLATION, uid, 1).packed(tokens=100, gems=0)
        frame = Frame(
            clock_ms + 2_000, clock_ms, 600_000, b"", 0, 600, 600, 0, seed, BALANCE_MAX, 1, 3_600_000, f"{epoch}-*",
            encode_header(header),
        )  # fmt: skip
        own = (1, 0, 0, daily_limit, *(days or DayArguments()), banner.table, banner.soft, banner.choices)
        return await self.transport.run(script, names, arguments_of(script)(frame + own))

    # What Redis holds.

    async def administer(self, *command: str | bytes | int) -> Any:
        """Have Redis' administrator run a command, for what Croupier itself may not do."""
        return await administer(self.url, *command)

    async def dump(self) -> dict[bytes, bytes]:
        """Every key, and its value as the server would move it to another one."""
        with administrator(self.url) as client:
            return {name: client.dump(name) for name in sorted(client.keys())}

    async def player(self, uid: int) -> Player | None:
        data: Any = await self.transport.call("GET", keys.player(P, uid))
        return None if data is None else PLAYER.unpack(data)

    async def existing_player(self, uid: int) -> Player:
        player = await self.player(uid)
        assert player is not None
        return player

    async def gacha(self, uid: int, banner: str = "main") -> Gacha:
        data: Any = await self.transport.call("GET", keys.gacha(P, uid, banner))
        return GACHA.unpack(data)

    async def put_player(self, uid: int, **fields: Any) -> None:
        """Give a player this record, as the mirror would: without the pads of its seed."""
        client_seed = str(uid).encode()
        beginnings = Player(
            0, 100_000, 0, 0, 0, 0, 0, 1, 1, self.engine.master_keys.seed(INSTALLATION, uid, 1).commitment,
            len(client_seed), client_seed.ljust(32, b"\0"), 0, 0, 0, 0, 0, 0, 0, b"", b"",
        )  # fmt: skip
        record = PLAYER.pack_durable(replace(beginnings, **fields))
        await self.transport.call("SET", keys.player(P, uid), record)

    async def change_player(self, uid: int, **fields: Any) -> None:
        """Change fields of a player's record, and leave the others, the pads included."""
        record: Any = await self.transport.call("GET", keys.player(P, uid))
        changed = PLAYER.pack(replace(PLAYER.unpack(record), **fields)) + record[PLAYER.size :]
        await self.transport.call("SET", keys.player(P, uid), changed)

    async def put_gacha(self, uid: int, banner: str = "main", **fields: int) -> None:
        """Give a player this history on a banner."""
        record = GACHA.pack(replace(Gacha(0, 0, 0, 0, 0, 0, 0, 0), **fields))
        await self.transport.call("SET", keys.gacha(P, uid, banner), record)

    async def pool(self, banner: str = "main") -> dict[str, int]:
        fields: Any = await self.transport.call("HGETALL", keys.pool(P, banner))
        return {name.decode(): int(left) for name, left in zip(fields[::2], fields[1::2], strict=True)}

    async def events(self, type_: str = "", *, first: str = "-") -> list[Event]:
        """The events of the outbox, or those of one type; from the entry `first` on."""
        head = await self.head()
        stream = keys.outbox(P, head.fence) if head.fence else keys.outbox_closed(P)
        entries: Any = await self.transport.call("XRANGE", stream, first, "+")
        decoded = [decode_entry(P, entry, fields) for entry, fields in entries]
        return [event for event in decoded if not type_ or event.header.type == type_]
