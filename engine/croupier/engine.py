"""The engine: runs commands as scripts, and repeats those that a stale view, a missing seed or midnight turned away."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import structlog

import croupier_lua
from croupier import registry
from croupier.clock import utc
from croupier.command import Caller, Command, Context, Done, check_idempotency_key
from croupier.day import DayZone
from croupier.durability import Durability
from croupier.economy import EconomyError, from_canonical
from croupier.errors import CroupierError
from croupier.event_log import in_outbox
from croupier.fairness.nonce import nonce_floor
from croupier.fairness.seeds import MasterKeys, ServerSeed
from croupier.frame import Frame
from croupier.gacha.table import CompiledEconomy, compile_economy
from croupier.partition import PARTITIONS, Head, PartitionError, fence, read_head
from croupier.reply import keep, read_kept, read_reply
from croupier.scripts import Script, Scripts
from croupier.settings import Settings, SettingsError
from croupier.transport import (
    REFUSED_CODES,
    OutcomeUnknown,
    Overloaded,
    ReplyError,
    Transport,
    TransportError,
    Unavailable,
)
from croupier_schemas import keys
from croupier_schemas.events import EventHeader, encode_header

log = structlog.get_logger(__name__)

Request = TypeVar("Request", bound=msgspec.Struct)
Terms = TypeVar("Terms", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)

ATTEMPTS_MAX = 8
"""Each turn of the loop follows a new fact about the server (fence, seed, clock); more than a few is a fault."""

NOTHING_DONE_CODES = REFUSED_CODES | {"OOM", "NOREPLICAS", "MISCONF", "NOPERM", "NOAUTH"}
"""With these Redis refuses a script before it starts: memory full, too few replicas, a disk that cannot be written."""

REPLY_GRACE_S = 0.5
"""How long after a command's deadline its reply is still waited for: the script has run before the deadline, or not."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class View:
    """What this process believes of a partition, and the connection on which it learned so."""

    connection_number: int
    epoch: int
    fence: str
    installation: str
    economy: CompiledEconomy


class Engine:
    """Runs commands against one Redis. `clock_ms` is for tests: a server clock, which production never injects."""

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        durability: Durability | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self.transport = transport
        self.settings = settings
        self.scripts = Scripts()
        registry.check(self.scripts)
        self.master_keys = MasterKeys.parse(settings.master_keys)
        self.zone = DayZone(settings.day_zone)
        self._durability = durability
        self._clock_ms = clock_ms
        self._server_ahead_ms = int(time.time() * 1000) - _monotonic_ms()
        self._views: dict[int, View] = {}
        self._economies: dict[str, CompiledEconomy] = {}
        self._learning = asyncio.Lock()

    def now_ms(self) -> int:
        """The server's clock as far as this process knows it, Unix time in ms."""
        if self._clock_ms is not None:
            return self._clock_ms()
        return _monotonic_ms() + self._server_ahead_ms

    def _server_time_was(self, now_ms: int) -> None:
        """Take over the server's clock; this host's may be wrong, or be set while we run."""
        self._server_ahead_ms = now_ms - _monotonic_ms()

    async def execute(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request
    ) -> tuple[Reply, bool]:
        """Run a command; its reply, and whether that repeats an earlier call with the same idempotency key.

        Raises CroupierError with the code of the refusal or failure.
        """
        if caller.idempotency_key:
            check_idempotency_key(caller.idempotency_key)
        try:
            done, terms = await self._run(command, caller, request)
        except SettingsError as error:
            log.error("command failed", command=command.name, uid=caller.uid, error=str(error))
            raise CroupierError("INTERNAL") from error
        except TransportError as error:
            raise _failure(error, command=command.name) from error
        if command.durability == "postgres":
            await self._make_durable(done)
        economy = self._economies.get(done.economy) or await self.economy_of_version(done.economy)
        return command.render(economy, terms, done), done.replayed

    async def _run(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request
    ) -> tuple[Done, Terms]:
        deadline_ms = _monotonic_ms() + int(self.settings.command_timeout_seconds * 1000)
        request_hash = _request_hash(command.name, request) if caller.idempotency_key else b""
        seed: ServerSeed | None = None
        clock_corrected = False
        for _ in range(ATTEMPTS_MAX):
            view = await self._view(caller.uid % PARTITIONS)
            now_ms = self.now_ms()
            left_ms = deadline_ms - _monotonic_ms()
            not_after_ms = now_ms + left_ms
            context = Context(
                caller,
                view.economy,
                now_ms,
                self.zone.day(now_ms),
                self.master_keys,
                view.installation,
                seed,
                self.settings,
            )
            terms: Terms | None = None
            refused: CroupierError | None = None
            try:
                terms = command.terms(context, request)
                call = self._call(command, view, context, request, terms, request_hash, not_after_ms)
            except CroupierError as error:
                # Refused under the economy that this process believes in, which may be an old one; and what is refused
                # may have been done before under the same key. The script knows both.
                refused = error
                call = self._replay(view, caller, request_hash, not_after_ms)
            answer: Any = await self.transport.run(
                *call,
                timeout_s=left_ms / 1000 + REPLY_GRACE_S,
                connection_number=view.connection_number,
            )
            code = answer[0]
            script = self.scripts[command.name]
            if code == b"OK":
                assert terms is not None
                done = read_reply(
                    script, caller.uid % PARTITIONS, view.economy.version, caller.op_id, *answer[1:]
                )
                if self._clock_ms is None:
                    self._server_time_was(done.ts_ms)
                return done, terms
            if code == b"REPLAYED":
                return read_kept(script, caller.uid % PARTITIONS, command.terms_type, answer[1])
            if code == b"FENCED":
                self._views.pop(caller.uid % PARTITIONS, None)
            elif code == b"NEEDS_SEED":
                key, generation = answer[1:]
                seed = self.master_keys.seed(view.installation, caller.uid, generation or 1, key or None)
            elif code == b"STALE_DAY":
                self._server_time_was(int(answer[1]))
            elif code == b"EXPIRED" and not clock_corrected and _monotonic_ms() < deadline_ms:
                # Too late by the server's clock and in time by ours: ours was wrong.
                self._server_time_was(int(answer[1]))
                clock_corrected = True
            elif code == b"NOTHING_KEPT" and refused is not None:
                raise refused
            else:
                values = [int(value) for value in answer[1:]]
                raise _refusal(command, context, terms, code.decode(), values)
        log.error("command turned away too often", command=command.name, uid=caller.uid)
        raise CroupierError("NOT_READY", retry_after_s=1)

    def _call(
        self, command: Command[Request, Terms, Reply], view: View, context: Context, request: Request,
        terms: Terms, request_hash: bytes, not_after_ms: int,
    ) -> tuple[Script, list[str], list[bytes | str]]:  # fmt: skip
        """The script, its keys and its arguments."""
        script, caller, economy = self.scripts[command.name], context.caller, view.economy
        names = script.key_names(
            caller.uid % PARTITIONS,
            fence=view.fence,
            uid=str(caller.uid),
            key=caller.idempotency_key,
            **command.places(request),
        )
        packed_terms = _encode(terms)
        header = EventHeader(
            script.emits or "", caller.uid, caller.tier, caller.op_id, caller.idempotency_key, request_hash,
            economy.version_raw, croupier_lua.RULES, msgspec.Raw(packed_terms),
            tuple((names[i], size) for i, size in script.states),
        )  # fmt: skip
        beginnings = economy.economy.initial_tokens, economy.economy.initial_gems
        frame = Frame(
            *self._gate(
                not_after_ms,
                keep(request_hash, caller.op_id, economy, packed_terms) if request_hash else b"",
            ),
            nonce_floor(view.epoch),
            context.seed.packed(*beginnings) if context.seed else b"",
            f"{view.epoch}-*",
            encode_header(header),
        )
        return script, names, script.argv(*frame, *command.bind(context, request, terms))

    def _replay(
        self, view: View, caller: Caller, request_hash: bytes, not_after_ms: int
    ) -> tuple[Script, list[str], list[bytes | str]]:
        script = self.scripts["idempotency.replay"]
        names = script.key_names(
            caller.uid % PARTITIONS, fence=view.fence, uid=str(caller.uid), key=caller.idempotency_key
        )
        arguments = *self._gate(not_after_ms, request_hash), nonce_floor(view.epoch)
        return script, names, script.argv(*arguments)

    def _gate(self, not_after_ms: int, request: bytes) -> tuple[int, int, int, bytes]:
        """The arguments of the stage `gate`."""
        clock_ms = self._clock_ms() if self._clock_ms else 0
        return not_after_ms, clock_ms, self.settings.idempotency_ttl_seconds * 1000, request

    async def economy(self, partition: int = 0) -> CompiledEconomy:
        """The economy in force. Raises CroupierError NOT_READY where the partition is closed."""
        return (await self._view_in_force(partition)).economy

    async def economy_of_version(self, version: str) -> CompiledEconomy:
        """An economy that is or was in force. Raises CroupierError ECONOMY_NOT_FOUND, or NOT_READY for a newer form."""
        if version not in self._economies:
            data = await self.read("GET", keys.economy(0, version))
            if not isinstance(data, bytes):
                raise CroupierError("ECONOMY_NOT_FOUND", f"no economy {version!r} was ever in force here")
            try:
                economy = from_canonical(data)
            except EconomyError as error:  # pushed by newer code, whose settings this code does not know
                log.error("an economy cannot be read: upgrade this server", version=version, error=str(error))
                raise CroupierError("NOT_READY", retry_after_s=5) from error
            self._economies[version] = compile_economy(economy, version)
        return self._economies[version]

    async def read(self, *command: bytes | str | int) -> object:
        """Send a command that only reads. Raises CroupierError NOT_READY where Redis cannot answer now."""
        try:
            return await self.transport.call(*command, timeout_s=self.settings.command_timeout_seconds)
        except OutcomeUnknown as error:
            raise _unavailable(error) from error
        except TransportError as error:
            raise _failure(error, command=str(command[0])) from error

    async def _make_durable(self, done: Done) -> None:
        """Wait until no failure can take the event back: until Postgres has it, or else Redis' log is on disk."""
        if self._durability is not None:
            await self._durability.wait(done.event, done.op_id)
            return
        timeout_s, partition = self.settings.durability_timeout_seconds, done.event.partition
        number = self.transport.connection_number
        try:
            # WAITAOF speaks of what was written on this connection, and the event may have come by another one: so
            # write something here, wait for that, and see that the event stands before it. The connection is held up.
            await self.transport.call("HSET", keys.head(partition), "partitions", PARTITIONS)
            synced: Any = await self.transport.call(
                "WAITAOF", 1, 0, int(timeout_s * 1000), timeout_s=timeout_s + REPLY_GRACE_S
            )
        except ReplyError as error:
            log.warning("this Redis keeps no log, so nothing on it is durable", error=str(error))
            return
        except TransportError as error:
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1) from error
        held = await in_outbox(self, done.event)
        lost = held is None or held.header.op_id != done.op_id
        if synced[0] != 1 or lost or number != self.transport.connection_number:
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1)

    async def _view_in_force(self, partition: int) -> View:
        """The view, compared with the head: for queries, which no fence turns away."""
        try:
            view = await self._view(partition)
            if await self.transport.call("HGET", keys.head(partition), "fence") != view.fence.encode():
                self._views.pop(partition, None)
                view = await self._view(partition)
            return view
        except TransportError as error:
            raise _unavailable(error) from error

    async def _view(self, partition: int) -> View:
        view = self._views.get(partition)
        if view is None or view.connection_number != self.transport.connection_number:
            async with self._learning:
                view = self._views.get(partition)
                if view is None or view.connection_number != self.transport.connection_number:
                    view = self._views[partition] = await self._learn(partition)
        return view

    async def epoch(self, partition: int) -> int:
        """The partition's epoch as far as this process knows it. Raises like `economy`."""
        return (await self._view_in_force(partition)).epoch

    async def installation(self, partition: int) -> str:
        """The installation that the partition belongs to. Raises like `economy`."""
        return (await self._view_in_force(partition)).installation

    async def fence(self, partition: int) -> str:
        """The partition's fence as far as this process knows it. Raises like `economy`."""
        return (await self._view_in_force(partition)).fence

    async def _learn(self, partition: int) -> View:
        """Read the head; it counts only where it was written for the very server on this connection."""
        number, identity = self.transport.connection_number, str(self.transport.identity)
        head = await self._read_head(partition)
        if head and head.identity != identity and head.identity.split(":")[0] == identity.split(":")[0]:
            # Demoted and promoted again: the same process, but its replication id on this connection is an old one.
            self.transport.reconnect("the server has another replication id by now")
        if head is None or not head.fence or head.identity != identity or not head.economy:
            why = "has no economy yet" if head and head.fence and not head.economy else "is not open"
            raise CroupierError("NOT_READY", f"partition {partition} {why}", retry_after_s=1)
        if head.fence != fence(identity, head.epoch, head.economy, head.schema):
            raise CroupierError(
                "NOT_READY", f"the fence of partition {partition} is not its own", retry_after_s=1
            )
        server_time = await self.read("TIME")
        assert isinstance(server_time, list)
        seconds, microseconds = server_time
        self._server_time_was(int(seconds) * 1000 + int(microseconds) // 1000)
        economy = await self.economy_of_version(head.economy)
        return View(number, head.epoch, head.fence, head.installation, economy)

    async def _read_head(self, partition: int) -> Head | None:
        try:
            return await read_head(self.transport, partition)
        except PartitionError as error:
            log.error("partition refused", partition=partition, error=str(error))
            raise CroupierError("NOT_READY", str(error), retry_after_s=5) from error


def _request_hash(name: str, request: msgspec.Struct) -> bytes:
    """What makes two requests the same: the command and its body with all defaults filled in."""
    return hashlib.blake2b(name.encode() + b"\0" + _encode(request), digest_size=16).digest()


def _unavailable(error: TransportError) -> CroupierError:
    """Redis cannot be asked. Where it is, and why it is away, is for the log and not for strangers."""
    log.warning("Redis is not available", error=str(error))
    return CroupierError("NOT_READY", retry_after_s=1)


def _failure(error: TransportError, command: str) -> CroupierError:
    """What a caller is told of a failed command."""
    if isinstance(error, OutcomeUnknown):
        log.warning("outcome unknown", command=command, error=str(error))
        return CroupierError("OUTCOME_UNKNOWN", retry_after_s=1)
    if isinstance(error, Overloaded):
        return CroupierError("OVERLOADED", retry_after_s=1)
    if isinstance(error, Unavailable):
        return _unavailable(error)
    if isinstance(error, ReplyError) and error.code in NOTHING_DONE_CODES:
        log.error("Redis refuses commands", command=command, error=str(error))
        return CroupierError("OVERLOADED" if error.code == "OOM" else "NOT_READY", retry_after_s=1)
    log.error("command failed", command=command, error=str(error))
    return CroupierError("INTERNAL")


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _refusal(
    command: Command[Request, Terms, Reply],
    context: Context,
    terms: Terms | None,
    code: str,
    values: list[int],
) -> CroupierError:
    if code == "EXPIRED":
        return CroupierError(code, retry_after_s=1)
    if code == "PLAYER_EXCLUDED":
        return CroupierError(code, excluded_until=utc(values[0]))
    if code == "SEED_MISMATCH":
        log.error("commitment does not fit the master key", uid=context.caller.uid, command=command.name)
        return CroupierError("INTERNAL")
    fields: dict[str, object] = {}
    if terms is not None and code in command.refusals:
        fields = command.refusals[code](context, terms, values)
    return CroupierError(code, **fields)  # type: ignore[arg-type]
