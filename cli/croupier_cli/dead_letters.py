"""`croupier deadletters list|replay`."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from croupier.settings import Settings
from croupier_cli.errors import CannotRun
from croupier_cli.exit_codes import CHECK_FAILED, DONE
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_cli.servers import postgres
from croupier_schemas.events import EventId
from croupier_sync.dead_letters import DeadLetter, Replayed, dead_letters, replay
from croupier_sync.migrations import check


def list_letters(*, as_json: JsonFlag = False) -> None:
    """Print the events that a projection could not take: when, event, projection, error.

    Uses DATABASE_URL, else the Postgres of a running `croupier up`.

    Example: `croupier deadletters list`
    """
    letters = asyncio.run(_list(operator_settings("DATABASE_URL")))
    if as_json:
        result_json({"dead_letters": [_described(letter) for letter in letters]})
        return
    for letter in letters:
        time = letter.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        result(f"{time}  {letter.event}  {letter.projection}  {letter.error}")
    if not letters:
        note("no dead letters")


def replay_letters(
    *events: str,
    all_of_them: Annotated[bool, Parameter(name="--all", negative="")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Write what projections could not, in the order of the events, once the cause is gone. Ends with 1 if any fails.

    Each is written at most once, also when the command is repeated, and never undoes what newer events wrote. Uses
    DATABASE_URL, else the Postgres of a running `croupier up`.

    Example: `croupier deadletters replay 0-1-42`

    Parameters
    ----------
    events:
        Ids of events, as `croupier deadletters list` shows them.
    all_of_them:
        Replay every dead letter.
    """
    if bool(events) is all_of_them:
        raise CannotRun("name the events, or say --all")
    try:
        wanted = {EventId.parse(event) for event in events}
    except ValueError as error:
        raise CannotRun(str(error)) from None
    outcomes = asyncio.run(_replay(operator_settings("DATABASE_URL"), wanted, tell=not as_json))
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


def _described(letter: DeadLetter) -> dict[str, object]:
    return letter._asdict() | {"event": str(letter.event)}


async def _list(settings: Settings) -> list[DeadLetter]:
    async with postgres(settings.database_url) as connection:
        await check(connection)
        return await dead_letters(connection)


async def _replay(settings: Settings, wanted: set[EventId], *, tell: bool) -> Sequence[Replayed]:
    """Replay the dead letters of these events; of all where none is named."""
    outcomes = []
    async with postgres(settings.database_url) as connection:
        await check(connection)
        letters = await dead_letters(connection)
        if unknown := wanted - {letter.event for letter in letters}:
            raise CannotRun(f"there is no dead letter of event {min(unknown)}")
        chosen = [letter for letter in letters if not wanted or letter.event in wanted]
        async for outcome in replay(connection, chosen):
            outcomes.append(outcome)
            if tell and outcome.error:
                note(f"{outcome.letter.event} {outcome.letter.projection}: {outcome.error}")
            if tell and len(outcomes) % 1_000 == 0:
                note(f"{len(outcomes):,} of {len(chosen):,}")
    return outcomes
