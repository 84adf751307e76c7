"""A partition that a healer has marked: nobody writes to it but that healer, for as long as the mark is its own."""

from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Final, TypeAlias

from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_sync.errors import Superseded
from croupier_sync.server import Server

WORDS_PER_SCRIPT: Final = 1_500
"""A script runs in one go, while players of other partitions wait; and Lua takes no more than some thousand words."""

Command: TypeAlias = Sequence[bytes | str | int]


class MarkedPartition:
    """Sends commands that run only while the mark `epoch` stands.

    A healer may sleep, lose its lock without knowing it, and go on when another one has opened the partition: then its
    commands do nothing. Each raises Superseded in that case, and TransportError.
    """

    def __init__(self, server: Server, scripts: Scripts, partition: int, epoch: int) -> None:
        self._server = server
        self._script = scripts["partition.write"]
        self._head = keys.head(partition)
        self._mark = str(epoch)

    async def call(self, *command: bytes | str | int) -> None:
        """Run one command that writes."""
        await self._run([command])

    async def write(self, commands: Iterable[Command]) -> None:
        """Run commands in this order, as many at once as is good."""
        batch: list[Command] = []
        words = 0
        for command in commands:
            if batch and words + len(command) > WORDS_PER_SCRIPT:
                await self._run(batch)
                batch, words = [], 0
            batch.append(command)
            words += len(command)
        if batch:
            await self._run(batch)

    async def write_each(self, groups: AsyncIterable[Iterable[Command]]) -> None:
        """Run commands as they come."""
        async for commands in groups:
            await self.write(commands)

    async def _run(self, commands: Sequence[Command]) -> None:
        words = [
            str(word) if isinstance(word, int) else word
            for command in commands
            for word in (len(command), *command)
        ]
        answer = await self._server.run(self._script, [self._head], self._script.argv(self._mark, *words))
        if answer != [b"OK"]:
            raise Superseded(f"{self._head}: healed or opened by another daemon")
