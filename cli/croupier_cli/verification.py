"""`croupier verify`."""

import asyncio
import contextlib

from croupier.settings import Settings
from croupier_cli.exit_codes import CHECK_FAILED, DONE
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_cli.progress import showing_rate
from croupier_cli.servers import postgres, redis, require_same_installation
from croupier_sync.migrations import check
from croupier_sync.server import Server
from croupier_sync.verification import Verdict
from croupier_sync.verification import verify as verify_all

_REDIS = {
    None: "Redis was not looked at: REDIS_URL is not set",
    "equal": "Redis holds the same",
    "differs": "Redis holds something else",
    "moving": "Redis was not compared: events keep coming in, or Postgres is behind",
}


def verify(*, as_json: JsonFlag = False) -> int:
    """Replay the event log in Postgres and compare everything with it. Exit code 1, and a line each, for problems.

    Looks at ids and digests of all events, balances, nonces, stock, crash rounds, and keys used once; computes every
    outcome again whose seed is revealed; and compares mirror, ledger, history and all other tables, and with REDIS_URL
    Redis, with where the log leads. Uses DATABASE_URL and REDIS_URL, else the servers of a running `croupier up`.
    Changes nothing; players may play meanwhile.

    Example: `croupier verify`
    """
    verdict = asyncio.run(_verify(operator_settings("DATABASE_URL")))
    if as_json:
        result_json(
            {"sound": verdict.sound, **{name: getattr(verdict, name) for name in Verdict.__struct_fields__}}
        )
        return DONE if verdict.sound else CHECK_FAILED
    for problem in verdict.problems:
        result(str(problem))
    if (more := verdict.problem_count - len(verdict.problems)) > 0:
        result(f"and {more:,} more")
    _summarise(verdict)
    return DONE if verdict.sound else CHECK_FAILED


async def _verify(settings: Settings) -> Verdict:
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(postgres(settings.database_url))
        await check(connection)
        server = None
        if settings.redis_url:
            transport = await stack.enter_async_context(redis(settings.redis_url))
            await require_same_installation(transport, connection)
            server = Server(transport)
        show = stack.enter_context(showing_rate("events"))
        return await verify_all(connection, server, lambda done, total: show("verifying", done, total))


def _summarise(verdict: Verdict) -> None:
    """The result, and beside it what was looked at."""
    if verdict.sound:
        result(f"sound: {verdict.events:,} events")
    else:
        result(f"not sound: {verdict.problem_count:,} problems in {verdict.events:,} events")
    note(
        f"{verdict.outcomes_recomputed:,} outcomes computed again, {verdict.outcomes_hidden:,} of seeds that are not "
        f"revealed; tokens {verdict.tokens_in:,} in, {verdict.tokens_out:,} out; gems {verdict.gems_in:,} in, "
        f"{verdict.gems_out:,} out; {_REDIS[verdict.redis]}; {verdict.seconds:.1f} s"
    )
    if verdict.without_digest:
        note(
            f"{verdict.without_digest:,} of {verdict.events:,} events have no digest: whether one of them was "
            "changed cannot be told"
        )
    if verdict.adoptions:
        note(f"{verdict.adoptions:,} gaps by `croupier adopt`: what happened in them cannot be verified")
    if verdict.dead_letters:
        note(f"{verdict.dead_letters:,} dead letters: see `croupier deadletters list`")
