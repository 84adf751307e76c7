"""Results go to standard output, everything else to standard error."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

JsonFlag = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object, for machines.")]


def result(text: str) -> None:
    """Print a line, or several, of the result, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def result_json(value: object) -> None:
    """Print the result as one line of JSON."""
    result(msgspec.json.encode(value).decode())


def indented_json(value: object) -> str:
    """JSON for people."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def note(text: str) -> None:
    """Say something that is no result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def error(text: str) -> None:
    """Say in one line why it does not go on."""
    note(f"croupier: {text}")
