"""A casino that was played in, for the tests of commands on a whole installation: no daemon runs, nobody plays."""

import asyncio
import json
from typing import Any

from tests.cli.support import Outcome, croupier, environment
from tests.sync.support import Casino


class Installation:
    """The casino's servers, on which commands are run."""

    def __init__(self, casino: Casino) -> None:
        self.casino = casino
        self.env = environment(REDIS_URL=casino.redis_url, DATABASE_URL=casino.database_url)

    async def runs(self, *words: str, **variables: str) -> Outcome:
        """Run a command to its end, whatever that is."""
        return await asyncio.to_thread(croupier, *words, env={**self.env, **variables})

    async def asks(self, *words: str, exit_code: int = 0, **variables: str) -> Any:
        """The JSON object that a command prints."""
        outcome = await self.runs(*words, "--json", **variables)
        assert outcome.exit_code == exit_code, outcome
        return json.loads(outcome.stdout)

    async def refused(self, *words: str, said: tuple[str, ...], **variables: str) -> None:
        """A command that cannot run as asked, and changes nothing in either server."""
        before = await self.casino.dump(), await self.casino.durable_state(), await self.casino.head()
        outcome = await self.runs(*words, **variables)
        outcome.require_refusal(*said)
        assert (
            await self.casino.dump(),
            await self.casino.durable_state(),
            await self.casino.head(),
        ) == before
