"""A peer behind the HTTP parts of Croupier: aiohttp's bare server on uvloop, its tokens, its decoding, its replies.

The first line of standard input is a `Setup` in JSON; the port comes back. It ends when standard input does.
`GET /stats` answers the `Counts` of the peer, `GET /audit` its `Audit`.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from aiohttp import hdrs, web

from bench.http_reference import PATH
from bench.peers.peer import Peer, Setup
from bench.peers.postgres import Function, RowLocks
from bench.peers.round_trips import RoundTrips
from bench.peers.rules import BANNER, Refused, Rules
from bench.peers.watch import Watch
from croupier.economy import load_economy
from croupier_http.auth import Authenticator
from croupier_http.replies import Answer, Finisher, Prebuilt
from croupier_schemas.gacha import GachaPull

PEERS: Final[dict[str, Callable[[Setup, Rules], Peer]]] = {
    "row_locks": RowLocks,
    "function": Function,
    "watch": Watch,
    "round_trips": RoundTrips,
}

_decode = msgspec.json.Decoder(GachaPull).decode
_encode = msgspec.json.Encoder().encode


class App:
    """The routes."""

    def __init__(self, peer: Peer, secret: str) -> None:
        self._peer = peer
        self._identify = Authenticator(secret).identify
        self._finisher = Finisher()
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[Answer]]] = {
            ("POST", PATH): self._pull,
            ("GET", "/stats"): self._stats,
            ("GET", "/audit"): self._audit,
        }

    async def handle(self, request: web.BaseRequest) -> Prebuilt:
        answer = await self._routes[request.method, request.rel_url.raw_path](request)
        return self._finisher.finish(request, answer, "", close=False)

    async def _pull(self, request: web.BaseRequest) -> Answer:
        caller = self._identify(request.headers.get(hdrs.AUTHORIZATION))
        asked = _decode(await request.read())
        assert (asked.count, asked.banner, asked.use_premium_currency) == (1, BANNER, False)
        counts = self._peer.counts
        try:
            reply = await self._peer.pull(caller.uid, caller.tier, time.time_ns() // 1_000_000)
        except Refused as refused:
            counts.errors += 1
            return Answer(_encode({"detail": str(refused)}), HTTPStatus.TOO_MANY_REQUESTS)
        except Exception:
            counts.errors += 1
            raise  # aiohttp answers 500
        counts.pulls += 1
        return Answer(_encode(reply))

    async def _stats(self, _request: web.BaseRequest) -> Answer:
        return Answer(_encode(self._peer.counts))

    async def _audit(self, _request: web.BaseRequest) -> Answer:
        return Answer(_encode(await self._peer.audit()))


async def main() -> None:
    setup = msgspec.json.decode(sys.stdin.readline(), type=Setup)
    peer = PEERS[setup.peer](setup, Rules(load_economy(Path(setup.economy_file))))
    await peer.open(setup.players)
    # As in Croupier's worker.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    runner = web.ServerRunner(web.Server(App(peer, setup.secret).handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()
    await peer.close()


if __name__ == "__main__":
    uvloop.run(main())
