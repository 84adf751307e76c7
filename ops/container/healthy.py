"""Health checks of the containers: `healthy.py serve`, `sync` or `export` ends with 0 where that part is at work.

A server is asked itself. The daemons listen nowhere: they write a sign of life to Postgres every second, and one that
stands by while another one works is healthy too.
"""

import asyncio
import os
import sys
import urllib.request

import asyncpg

TIMEOUT_S = 3.0
SILENCE_MAX_S = 15.0

TABLES = {"sync": "partitions", "export": "sinks"}


def server_answers(port: str) -> bool:
    """Whether the HTTP server is alive. Not whether Redis is: restarting servers would not bring that back."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=TIMEOUT_S) as reply:
        return bool(reply.status == 200)


async def daemon_writes(part: str, database_url: str) -> bool:
    """Whether a daemon has given a sign of life."""
    connection = await asyncpg.connect(database_url, timeout=TIMEOUT_S)
    try:
        silent_s = await connection.fetchval(
            f"SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::float8 FROM {TABLES[part]}",
            timeout=TIMEOUT_S,
        )
    finally:
        await connection.close(timeout=TIMEOUT_S)
    return silent_s is not None and silent_s < SILENCE_MAX_S


def healthy(part: str) -> bool:
    """Whether the part of that name is at work. Raises OSError and asyncpg's errors where it cannot be asked."""
    if part == "serve":
        return server_answers(os.environ.get("CROUPIER_HTTP_PORT") or "8000")
    return asyncio.run(daemon_writes(part, os.environ["DATABASE_URL"]))


if __name__ == "__main__":
    sys.exit(0 if healthy(sys.argv[1]) else 1)
