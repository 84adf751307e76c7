"""`croupier adopt`."""

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from croupier.partition import PARTITIONS
from croupier.settings import Settings
from croupier_cli.errors import CannotRun
from croupier_cli.operation import casino, operator_settings
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_cli.progress import showing_rate
from croupier_sync.adopting import Adopted, AdoptionRefused, Gap, find_gap
from croupier_sync.adopting import adopt as adopt_partition
from croupier_sync.migrations import check
from croupier_sync.server import Server


def adopt(
    *, yes: Annotated[bool, Parameter(name="--yes", negative="")] = False, as_json: JsonFlag = False
) -> None:
    """Let Redis win over a Postgres that is an old copy, where the sync daemon has stopped with `postgres_old`.

    Everywhere else Postgres wins. First look for a newer copy of Postgres: the events that neither has are lost for
    good, and with them history, ledger and statistics of that time; balances and all other state are kept. Asks before
    it begins. The sync daemon may run. Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`.

    Example: `croupier adopt`

    Parameters
    ----------
    yes:
        Do not ask.
    """
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    adopted = asyncio.run(_adopt(settings, yes))
    if as_json:
        result_json(
            {
                "partitions": [
                    {**each.gap._asdict(), "events": each.events, "keys": each.keys} for each in adopted
                ]
            }
        )
        return
    for each in adopted:
        result(
            f"partition {each.gap.partition}: {each.events:,} events and {each.keys:,} keys taken over from Redis"
        )


async def _adopt(settings: Settings, yes: bool) -> list[Adopted]:
    async with casino(settings) as servers:
        await check(servers.connection)
        server, gaps = Server(servers.transport), []
        refused: AdoptionRefused | None = None
        for partition in range(PARTITIONS):
            try:
                gaps.append(await find_gap(server, servers.connection, partition))
            except AdoptionRefused as error:
                refused = error
        if refused is not None and not gaps:
            raise refused
        if not yes:
            _confirm(gaps)
        with showing_rate("keys") as show:
            return [
                await adopt_partition(
                    server, servers.connection, gap, lambda done, total: show("adopting", done, total)
                )
                for gap in gaps
            ]


def _confirm(gaps: list[Gap]) -> None:
    """Raise CannotRun unless the operator says yes."""
    if not sys.stdin.isatty():
        raise CannotRun(f"{_described(gaps[0])}: to let Redis win all the same, say --yes")
    for gap in gaps:
        note(_described(gap))
    note("Let Redis win? Type yes:")
    if sys.stdin.readline().strip() != "yes":
        raise CannotRun("nothing was changed")


def _described(gap: Gap) -> str:
    return (
        f"partition {gap.partition}: Postgres ends at event {gap.partition}-{gap.last}, and Redis has events from "
        f"{gap.partition}-{gap.first} on; those between are lost for good"
    )
