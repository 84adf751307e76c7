"""`croupier config`."""

import os
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from croupier.environment import PROGRAMS
from croupier.settings import Settings
from croupier_cli.data_directory import find_servers, read_secrets
from croupier_cli.exit_codes import CANNOT_RUN, DONE
from croupier_cli.failures import reason_of
from croupier_cli.output import JsonFlag, error, result, result_json
from croupier_cli.redaction import without_password
from croupier_cli.value_checks import VALUE_CHECKS

Source = Literal["environment", "data directory", "default"]

REDACTED = "[redacted]"


class Shown(msgspec.Struct, frozen=True):
    """A setting as it may be shown."""

    name: str
    source: Source
    value: bool | int | float | str | None


def config(*, as_json: JsonFlag = False) -> int:
    """Print every setting with its value, and where that comes from. Secrets, and passwords in URLs, are left out.

    The source is `environment`, `data directory` (the secrets that `croupier up` keeps there, and the servers that it
    runs), or `default`. Where settings cannot be used, each problem is a line on standard error, and the exit code is
    2. No server is asked anything.

    Example: `CROUPIER_WORKERS=4 croupier config`
    """
    given, problems = Settings.read(os.environ)
    complete = _with_data_directory(given)
    problems += complete.problems()
    problems += _refusals(complete)
    if problems:
        for problem in dict.fromkeys(problems):
            error(problem)
        return CANNOT_RUN
    shown = [*_settings(given, complete), *_programs()]
    if as_json:
        result_json({"settings": shown})
    else:
        result("\n".join(_lines(shown)))
    return DONE


def _with_data_directory(settings: Settings) -> Settings:
    """The settings that the commands beside a `croupier up` have, and its secrets. Raises CannotRun."""
    kept = read_secrets(settings.data_dir)
    return msgspec.structs.replace(
        find_servers(settings),
        jwt_secret_key=settings.jwt_secret_key or kept.get("JWT_SECRET_KEY", ""),
        master_keys=settings.master_keys or kept.get("CROUPIER_MASTER_KEYS", ""),
    )


def _refusals(settings: Settings) -> Iterator[str]:
    for check in VALUE_CHECKS:
        try:
            check(settings)
        except Exception as failure:
            if (reason := reason_of(failure)) is None:
                raise
            yield reason


def _settings(given: Settings, complete: Settings) -> Iterator[Shown]:
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        value = getattr(complete, field.name)
        source: Source = "default"
        if os.environ.get(field.encode_name):
            source = "environment"
        elif value != getattr(given, field.name):
            source = "data directory"
        yield Shown(field.encode_name, source, _shown(value, secret=is_secret(hints[field.name])))


def _programs() -> Iterator[Shown]:
    for name in PROGRAMS:
        value = os.environ.get(name, "")
        yield Shown(name, "environment" if value else "default", value)


def is_secret(hint: Any) -> bool:
    """Whether the type of a setting is one of which nothing is shown."""
    return any(
        isinstance(each, msgspec.Meta) and (each.extra or {}).get("secret") for each in get_args(hint)[1:]
    )


def _shown(value: Any, *, secret: bool) -> bool | int | float | str | None:
    if secret:
        return REDACTED if value else ""
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_password(str(value))


def _lines(shown: list[Shown]) -> Iterator[str]:
    widths = [
        max(len(each) for each in column) for column in ([s.name for s in shown], [s.source for s in shown])
    ]
    for each in shown:
        value = "" if each.value is None else each.value
        if not isinstance(value, str):
            value = msgspec.json.encode(value).decode()
        yield f"{each.name:<{widths[0]}}  {each.source:<{widths[1]}}  {value}".rstrip()
