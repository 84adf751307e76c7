"""The reference: a minimal aiohttp application with one route that answers JSON, on the same event loop."""

import asyncio
import sys

import uvloop
from aiohttp import web

PATH = "/api/games/gacha/pull"


async def bare(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def main() -> None:
    app = web.Application()
    app.router.add_post(PATH, bare)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
