"""ClickHouse's HTTP interface on a loopback port, as far as ClickHouse's clients use it, around the embedded engine.

    python -m croupier_cli.embedded.clickhouse_server DIRECTORY PORT MEMORY_MAX_BYTES

`GET /ping`; `POST /` with a statement in the body or in `query`, and in the URL `database`, `param_*` and settings. An
error has ClickHouse's number in `X-ClickHouse-Exception-Code`. What concerns the transport alone is accepted and has no
effect: replies are whole, and not compressed.
"""

import asyncio
import json
import secrets
import signal
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from aiohttp import web

from croupier_cli.embedded.clickhouse import PASSWORD_FILE, PORT_FILE, USER
from croupier_cli.embedded.clickhouse_engine import CODE_BAD_ARGUMENTS, Engine, EngineError
from croupier_cli.embedded.process import LOOPBACK

STATEMENTS_AT_ONCE: Final = 4
WAITING_MAX: Final = 64
BODY_MAX_BYTES: Final = 256 * 2**20

_CODE_TOO_MANY: Final = 202
_CODE_REQUIRED_PASSWORD: Final = 516
_SHUTDOWN_S: Final = 5.0
# Accepted, and without effect here.
_TRANSPORT: Final = frozenset(
    (
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "decompress",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "wait_end_of_query",
    )
)
_ENGINE: Final = web.AppKey("engine", Engine)
_THREADS: Final = web.AppKey("threads", ThreadPoolExecutor)
_TURN: Final = web.AppKey("turn", asyncio.Semaphore)
_AUTHORIZATION: Final = web.AppKey("authorization", str)


class _Waiting:
    """How many requests are here, the ones that run included."""

    def __init__(self) -> None:
        self.count = 0


_WAITING: Final = web.AppKey("waiting", _Waiting)


async def _ping(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _statement(request: web.Request) -> web.Response:
    authorization = request.headers.get("Authorization", "")
    if not secrets.compare_digest(authorization.encode(), request.app[_AUTHORIZATION].encode()):
        return _refused(403, _CODE_REQUIRED_PASSWORD, "Authentication failed")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return _refused(400, CODE_BAD_ARGUMENTS, "this server takes no compressed bodies")
    waiting = request.app[_WAITING]
    if waiting.count >= STATEMENTS_AT_ONCE + WAITING_MAX:
        return _refused(503, _CODE_TOO_MANY, "Too many simultaneous queries")
    waiting.count += 1
    try:
        async with request.app[_TURN]:
            return await _run(request)
    except EngineError as error:
        return _refused(500, error.code, str(error))
    finally:
        waiting.count -= 1


async def _run(request: web.Request) -> web.Response:
    """Read the request and answer it. Raises EngineError."""
    given = dict(request.query)
    if request.content_type == "multipart/form-data":
        fields = await request.post()
        given |= {name: value for name, value in fields.items() if isinstance(value, str)}
        body = b""
    else:
        body = await request.read()
    query = given.pop("query", "").encode()
    database, output_format = given.pop("database", ""), given.pop("default_format", "TabSeparated")
    parameters = {name.removeprefix("param_"): given[name] for name in given if name.startswith("param_")}
    settings = {
        name: value
        for name, value in given.items()
        if name not in _TRANSPORT and not name.startswith("param_")
    }
    answer = await asyncio.get_running_loop().run_in_executor(
        request.app[_THREADS],
        lambda: request.app[_ENGINE].run(
            query + b"\n" + body if query and body else query or body,
            database=database,
            settings=settings,
            parameters=parameters,
            output_format=output_format,
        ),
    )
    summary = json.dumps({"read_rows": str(answer.rows_read)})
    headers = {"X-ClickHouse-Summary": summary, "X-ClickHouse-Query-Id": given.get("query_id", "")}
    return web.Response(body=answer.data, headers=headers)


def _refused(status: int, code: int, message: str) -> web.Response:
    text = message if message.startswith("Code: ") else f"Code: {code}. DB::Exception: {message}"
    return web.Response(status=status, text=text, headers={"X-ClickHouse-Exception-Code": str(code)})


async def _serve(directory: Path, port: int, memory_max_bytes: int) -> None:
    """Serve until SIGTERM; what runs then may finish."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    password = (directory / PASSWORD_FILE).read_text()
    app = web.Application(client_max_size=BODY_MAX_BYTES)
    app[_ENGINE] = engine = Engine(directory, memory_max_bytes)
    app[_THREADS] = ThreadPoolExecutor(STATEMENTS_AT_ONCE, "statement")
    app[_TURN] = asyncio.Semaphore(STATEMENTS_AT_ONCE)
    app[_WAITING] = _Waiting()
    app[_AUTHORIZATION] = f"Basic {b64encode(f'{USER}:{password}'.encode()).decode()}"
    app.add_routes([web.get("/ping", _ping), web.get("/", _statement), web.post("/", _statement)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port, reuse_address=True)
        await site.start()
        _announce(directory, runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
        engine.close()


def _announce(directory: Path, port: int) -> None:
    """Tell the launcher the port, whole or not at all."""
    new = directory / f"{PORT_FILE}.new"
    new.write_text(str(port))
    new.rename(directory / PORT_FILE)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
        except (OSError, EngineError) as failure:
            sys.exit(f"error: {failure}")
