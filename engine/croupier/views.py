"""What this process believes of the partitions: learned from their heads, and dropped when a script proves it stale."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from croupier.economy import EconomyError, from_canonical
from croupier.errors import CroupierError
from croupier.failures import failure, unavailable
from croupier.gacha.table import CompiledEconomy, compile_economy
from croupier.partition import Head, PartitionError, fence, is_deterministic, read_head
from croupier.transport import OutcomeUnknown, ReplyError, Transport, TransportError
from croupier_schemas import keys

if TYPE_CHECKING:
    from croupier.binding import Binding

log = structlog.get_logger(__name__)

_COMPARISONS_MAX = 8


@dataclass(frozen=True)
class View:
    """What this process believes of a partition, and the connection on which it learned so."""

    partition: int
    connection_number: int
    epoch: int
    fence: str
    installation: str
    economy: CompiledEconomy
    bindings: "dict[str, Binding]" = field(default_factory=dict, compare=False, repr=False)
    """By command, what its calls have in common under this view."""


class Views:
    """The views of all partitions, and the economies they name. `server_time_was` hears of its clock, in ms."""

    def __init__(
        self,
        transport: Transport,
        timeout_s: float,
        server_time_was: Callable[[int], None],
        *,
        deterministic: bool,
    ) -> None:
        self._deterministic = deterministic
        self._transport = transport
        self._timeout_s = timeout_s
        self._server_time_was = server_time_was
        self._views: dict[int, View] = {}
        self._economies: dict[str, CompiledEconomy] = {}
        self._learning: dict[int, asyncio.Task[View]] = {}

    def known(self, partition: int) -> View | None:
        """The view for a command, unless it has to be learned first."""
        view = self._views.get(partition)
        if view is not None and view.connection_number == self._transport.connection_number:
            return view
        return None

    async def believed(self, partition: int, timeout_s: float | None = None) -> View:
        """The view for a command, which the fence turns away where it is stale. Raises CroupierError NOT_READY.

        All who want to know it at once share one attempt to learn it, and each waits no longer than `timeout_s`; one
        attempt after the other would have the last of them wait for the deadlines of all others.
        """
        if (known := self.known(partition)) is not None:
            return known
        learning = self._learning.get(partition)
        if learning is None:
            learning = self._learning[partition] = asyncio.create_task(self._learn(partition))
            learning.add_done_callback(lambda task: self._learned(partition, task))
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                return await asyncio.shield(learning)
        except TimeoutError:
            raise CroupierError("NOT_READY", retry_after_s=1) from None

    def _learned(self, partition: int, task: asyncio.Task[View]) -> None:
        del self._learning[partition]
        if not task.cancelled() and task.exception() is None:
            self._views[partition] = task.result()

    async def in_force(self, partition: int) -> View:
        """The view compared with the head: for queries, which no fence turns away. Raises CroupierError NOT_READY."""
        try:
            view = await self.believed(partition)
            for _ in range(_COMPARISONS_MAX):
                if await self._transport.call("HGET", keys.head(partition), "fence") == view.fence.encode():
                    break
                self.forget(partition)
                # Perhaps one that somebody else has been learning since before the head changed: compare it too.
                view = await self.believed(partition)
            return view
        except TransportError as error:
            raise unavailable(error) from error

    def forget(self, partition: int) -> None:
        """The view has proved stale."""
        self._views.pop(partition, None)

    def known_economy(self, version: str) -> CompiledEconomy | None:
        """An economy, where this process has seen it before."""
        return self._economies.get(version)

    async def economy_of_version(self, version: str) -> CompiledEconomy:
        """An economy that is or was in force. Raises CroupierError ECONOMY_NOT_FOUND, or NOT_READY for a newer form."""
        if (known := self._economies.get(version)) is not None:
            return known
        data = await self.read("GET", keys.economy(0, version))
        if not isinstance(data, bytes):
            raise CroupierError("ECONOMY_NOT_FOUND", f"no economy {version!r} was ever in force here")
        return self.economy_of_canonical(version, data)

    async def economy_in_log(self, version: str) -> CompiledEconomy:
        """An economy that the head or an event names. Raises CroupierError NOT_READY, also where Redis just lost it."""
        try:
            return await self.economy_of_version(version)
        except CroupierError as error:
            if error.code != "ECONOMY_NOT_FOUND":
                raise
            raise CroupierError("NOT_READY", retry_after_s=1) from error

    def economy_of_canonical(self, version: str, data: bytes) -> CompiledEconomy:
        """The economy of that version from its canonical form, remembered. Raises CroupierError NOT_READY."""
        if (known := self._economies.get(version)) is not None:
            return known
        try:
            economy = from_canonical(data)
        except EconomyError as error:  # pushed by newer code, whose settings this code does not know
            log.error("an economy cannot be read: upgrade this server", version=version, error=str(error))
            raise CroupierError("NOT_READY", retry_after_s=5) from error
        compiled = self._economies[version] = compile_economy(economy, version)
        return compiled

    async def read(self, *command: bytes | str | int) -> object:
        """Send a command that only reads. Raises CroupierError NOT_READY where Redis cannot answer now."""
        try:
            return await self._transport.call(*command, timeout_s=self._timeout_s)
        except OutcomeUnknown as error:
            raise unavailable(error) from error
        except TransportError as error:
            raise failure(error, command=str(command[0])) from error

    async def _learn(self, partition: int) -> View:
        """Read the head; it counts only where it was written for the very server on this connection."""
        number, identity = self._transport.connection_number, str(self._transport.identity)
        head = await self._read_head(partition)
        if head and head.identity != identity and head.identity.split(":")[0] == identity.split(":")[0]:
            # Demoted and promoted again: the same process, but its replication id on this connection is an old one.
            self._transport.reconnect("the server has another replication id by now")
        if head is None or not head.fence or head.identity != identity or not head.economy:
            why = "has no economy yet" if head and head.fence and not head.economy else "is not open"
            raise CroupierError("NOT_READY", f"partition {partition} {why}", retry_after_s=1)
        if is_deterministic(head.installation) is not self._deterministic:
            whose = "belongs to" if self._deterministic is False else "does not belong to"
            raise CroupierError("NOT_READY", f"partition {partition} {whose} a deterministic installation")
        if head.fence != fence(identity, head.epoch, head.economy, head.schema):
            raise CroupierError(
                "NOT_READY", f"the fence of partition {partition} is not its own", retry_after_s=1
            )
        server_time = await self.read("TIME")
        assert isinstance(server_time, list)
        seconds, microseconds = server_time
        self._server_time_was(int(seconds) * 1000 + int(microseconds) // 1000)
        economy = await self.economy_in_log(head.economy)
        return View(partition, number, head.epoch, head.fence, head.installation, economy)

    async def _read_head(self, partition: int) -> Head | None:
        try:
            return await read_head(self._transport, partition)
        except ReplyError as error:
            raise failure(error, command="HMGET") from error
        except TransportError as error:  # whatever asks, nothing has run yet
            raise unavailable(error) from error
        except PartitionError as error:
            log.error("partition refused", partition=partition, error=str(error))
            raise CroupierError("NOT_READY", str(error), retry_after_s=5) from error
