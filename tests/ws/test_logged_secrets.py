"""Tokens and tickets in addresses, when something fails and is logged with all that is known of it."""

import subprocess
import sys

SCRIPT = """
import logging
from croupier.errors import CroupierError
from croupier_http import logs
from croupier_http.failures import FailureLog

logs.configure("debug")
try:
    raise RuntimeError("GET /api/games/ws?ticket=SECRET1&x=1 Authorization: Bearer SECRET2 '/ws?x=1&token=SECRET3'")
except RuntimeError as cause:
    error = CroupierError("INTERNAL")
    error.__cause__ = cause
    FailureLog().write(error, "games_ws_v1", None)
    logging.getLogger("aiohttp.server").exception("Error handling request to /api/games/ws?token=SECRET4")
    logging.getLogger("asyncio").error("Task exception was never retrieved: %r", "/ws?TOKEN=SECRET5")
"""


def test_given_a_failure_that_repeats_an_address_when_logged_then_its_token_and_ticket_are_redacted() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all("[redacted]" in line for line in lines)
    assert "games_ws_v1" in lines[0] and "RuntimeError" in lines[0]
    assert "SECRET" not in done.stderr
