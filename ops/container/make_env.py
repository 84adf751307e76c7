"""Writes .env for docker-compose.yml: the variables of .env.example, with new secrets. Never overwrites one."""

import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def filled(example: str) -> str:
    """The example with a new secret for each variable that has none."""
    lines = []
    for line in example.splitlines():
        name, equals, value = line.partition("=")
        if equals and not value and not line.startswith("#"):
            # In hex, so that it can stand in a URL as it is. A master key has its number before it.
            value = ("1:" if name == "CROUPIER_MASTER_KEYS" else "") + secrets.token_hex(32)
        lines.append(name + equals + value)
    return "\n".join(lines) + "\n"


def write(directory: Path) -> None:
    """Raises FileExistsError: the secrets of an installation must not be lost."""
    descriptor = os.open(directory / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(filled((ROOT / ".env.example").read_text()))


if __name__ == "__main__":
    try:
        write(ROOT)
    except FileExistsError:
        sys.exit(".env is there already: it holds the secrets of an installation, and stays as it is")
