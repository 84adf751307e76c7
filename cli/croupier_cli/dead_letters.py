"""`croupier deadletters list|replay`."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import asyncpg
from cyclopts import Parameter

from croupier.clickhouse import Away, ClickHouse
from croupier.settings import Settings
from croupier_cli.errors import CannotRun
from croupier_cli.exit_codes import CHECK_FAILED, DONE
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_cli.servers import postgres
from croupier_sync.dead_letters import DeadLetter, Replayed, dead_letters, replay
from croupier_sync.export.dead_letters import ExportLetter, ExportReplayed, export_letters, replay_export
from croupier_sync.migrations import check

_NOTE_EVERY = 1_000


def list_letters(*, as_json: JsonFlag = False) -> None:
    """Print the events that a projection or ClickHouse could not take: when, event, projection or sink, error.

    A message of Kafka that names no event is called by its topic, partition and offset. Uses DATABASE_URL, else the
    Postgres of a running `croupier up`.

    Example: `croupier deadletters list`
    """
    letters = asyncio.run(_list(operator_settings("DATABASE_URL")))
    if as_json:
        result_json({"dead_letters": [_described(letter) for letter in letters]})
        return
    for letter in letters:
        time = letter.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        result(f"{time}  {_name(letter)}  {_taker(letter)}  {letter.error}")
    if not letters:
        note("no dead letters")


def replay_letters(
    *letters: str,
    all_of_them: Annotated[bool, Parameter(name="--all", negative="")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Write what projections and ClickHouse could not, in the order of the events, once the cause is gone.

    Ends with 1 if any fails again. Each is written at most once, also when the command is repeated, and never undoes
    what newer events wrote. Uses DATABASE_URL, and CLICKHOUSE_URL where ClickHouse lacks something, else the servers of
    a running `croupier up`.

    Example: `croupier deadletters replay 0-1-42`

    Parameters
    ----------
    letters:
        Events or messages, as `croupier deadletters list` shows them.
    all_of_them:
        Replay every dead letter.
    """
    if bool(letters) is all_of_them:
        raise CannotRun("name the events, or say --all")
    outcomes = asyncio.run(_replay(operator_settings("DATABASE_URL"), set(letters), tell=not as_json))
    failed = sum(bool(outcome.error) for outcome in outcomes)
    if as_json:
        result_json(
            {
                "replayed": [_described(each.letter) for each in outcomes if not each.error],
                "failed": [
                    _described(each.letter) | {"error": each.error} for each in outcomes if each.error
                ],
            }
        )
    else:
        result(f"{len(outcomes) - failed} replayed, {failed} failed again")
    return CHECK_FAILED if failed else DONE


def _name(letter: DeadLetter | ExportLetter) -> str:
    """What an operator calls it by."""
    return letter.name if isinstance(letter, ExportLetter) else str(letter.event)


def _taker(letter: DeadLetter | ExportLetter) -> str:
    """Who could not take it."""
    return letter.sink if isinstance(letter, ExportLetter) else letter.projection


def _described(letter: DeadLetter | ExportLetter) -> dict[str, object]:
    described = letter._asdict() | {"event": None if letter.event is None else str(letter.event)}
    described.pop("id", None)
    return described


async def _list(settings: Settings) -> list[DeadLetter | ExportLetter]:
    async with postgres(settings.database_url) as connection:
        await check(connection)
        return [*await dead_letters(connection), *await export_letters(connection)]


async def _replay(settings: Settings, wanted: set[str], *, tell: bool) -> Sequence[Replayed | ExportReplayed]:
    """Replay the dead letters of these names; all where none is named."""
    outcomes: list[Replayed | ExportReplayed] = []
    async with postgres(settings.database_url) as connection:
        await check(connection)
        projected, exported = await dead_letters(connection), await export_letters(connection)
        known = {str(letter.event) for letter in projected} | {letter.name for letter in exported}
        if unknown := wanted - known:
            raise CannotRun(f"there is no dead letter {min(unknown)[:64]!r}")
        exported = [letter for letter in exported if not wanted or letter.name in wanted]
        clickhouse = _clickhouse(settings) if exported else None
        projected = [letter for letter in projected if not wanted or str(letter.event) in wanted]
        total = len(projected) + len(exported)
        async for outcome in replay(connection, projected):
            outcomes.append(outcome)
            _tell(outcome, len(outcomes), total, tell)
        if clickhouse is not None:
            outcomes += await _replay_exported(settings, connection, clickhouse, exported, tell)
    return outcomes


async def _replay_exported(
    settings: Settings,
    connection: asyncpg.Connection,
    clickhouse: ClickHouse,
    letters: Sequence[ExportLetter],
    tell: bool,
) -> list[ExportReplayed]:
    outcomes: list[ExportReplayed] = []
    try:
        async for outcome in replay_export(connection, clickhouse, letters, settings.kafka_purchases_topic):
            outcomes.append(outcome)
            _tell(outcome, len(outcomes), len(letters), tell)
    except Away as error:
        raise CannotRun(f"ClickHouse: {error} (CLICKHOUSE_URL)") from error
    finally:
        await clickhouse.close()
    return outcomes


def _clickhouse(settings: Settings) -> ClickHouse:
    if not settings.clickhouse_url:
        raise CannotRun("there are dead letters of ClickHouse: CLICKHOUSE_URL must be set")
    try:
        return ClickHouse.of_url(settings.clickhouse_url)
    except ValueError as error:
        raise CannotRun(f"CLICKHOUSE_URL {error}") from None


def _tell(outcome: Replayed | ExportReplayed, number: int, total: int, tell: bool) -> None:
    if tell and outcome.error:
        note(f"{_name(outcome.letter)} {_taker(outcome.letter)}: {outcome.error}")
    if tell and number % _NOTE_EVERY == 0:
        note(f"{number:,} of {total:,}")
