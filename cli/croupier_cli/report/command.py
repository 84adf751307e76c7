"""The command itself."""

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from croupier.settings import SettingsError
from croupier_cli.errors import CannotRun
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, note, result_json
from croupier_cli.progress import showing_progress
from croupier_cli.report.figures import QUESTIONS, gather
from croupier_schemas.analytics import DAYS_MAX

STDOUT = Path("-")


def report(
    *,
    days: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=DAYS_MAX))] = 7,
    out: Path = Path("report.html"),
    force: Annotated[bool, Parameter(negative="")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write what the analytics say as one HTML page: pulls and tokens, odds, returns, crash points, retention, lag.

    The page needs no server and no network. Uses CLICKHOUSE_URL, REDIS_URL and DATABASE_URL, else the servers of a
    running `croupier up`. Changes nothing in them. With --json the figures are printed, and no page is written.

    Example: `croupier report --days 14 --out casino.html`

    Parameters
    ----------
    days:
        How many days back, today included.
    out:
        The file; `-` is standard output.
    force:
        Write over a file that is there.
    """
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    if not settings.clickhouse_on:
        raise SettingsError("CLICKHOUSE_URL must be set; `croupier up` starts servers of its own")
    if not as_json:
        _require_writable(out, force)
    with showing_progress(QUESTIONS) as show:
        figures = asyncio.run(gather(settings, days, show))
    if as_json:
        result_json(figures)
        return
    from croupier_cli.report.page import page

    text = page(figures)
    if out == STDOUT:
        sys.stdout.write(text)
        return
    try:
        with out.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CannotRun(f"{out} exists: --force writes over it") from None
    except OSError as error:
        raise CannotRun(f"{out} cannot be written: {error.strerror or error}") from error
    note(f"{out}: {len(text.encode()):,} bytes")


def _require_writable(out: Path, force: bool) -> None:
    """Raise CannotRun, before anybody is asked anything, where the page could not be drawn or written."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CannotRun("drawings need matplotlib: pip install 'croupier[analytics]'; --json does without")
    if out != STDOUT and out.exists() and not force:
        raise CannotRun(f"{out} exists: --force writes over it")
