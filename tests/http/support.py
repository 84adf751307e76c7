"""Workers under test, requests to them, and what Redis holds before and after."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
from msgspec.structs import replace

from croupier.fairness.seeds import MasterKeys
from croupier.settings import Settings
from croupier_http.auth import Role, make_token
from croupier_http.worker import run_worker
from croupier_schemas.economy import Tier
from tests.redis_server import administrator

SECRET = "a secret of the tests, of as many bytes as the longest hash needs: 64"
MASTER_KEYS = MasterKeys.generate()
DEADLINE_S = 20.0

PULL = "/api/games/gacha/pull"
ROTATE = "/api/fairness/rotate"
WALLET = "/api/wallet"


def settings_for(redis_url: str, **changes: Any) -> Settings:
    """Settings of a server on a port of its own choice."""
    settings = Settings(
        redis_url=redis_url, jwt_secret_key=SECRET, master_keys=MASTER_KEYS, http_port=0, workers=1
    )
    return replace(settings, **changes)


def token(uid: int = 42, tier: Tier = "VIP", role: Role = "user", ttl_s: int = 3600) -> str:
    return make_token(SECRET, uid, tier, role, ttl_s)


def forged(secret: str = SECRET, algorithm: str = "HS256", without: str = "", **changes: Any) -> str:
    """A token with changed claims, or signed in another way."""
    now_s = int(time.time())
    claims: dict[str, Any] = {
        "sub": "42", "tier": "VIP", "role": "user", "iat": now_s, "exp": now_s + 60, "jti": "x",
        **changes,
    }  # fmt: skip
    claims.pop(without, None)
    return jwt.encode(claims, secret, algorithm=algorithm)


@dataclass
class Reply:
    """An HTTP reply, its body as bytes and as JSON."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Sends requests to one server, as player 42 where nothing else is said."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def request(
        self, method: str, path: str, *, bearer: str | None = None, headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:  # fmt: skip
        """`bearer` is the access token; an empty one sends none."""
        bearer = token() if bearer is None else bearer
        head = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        skip = ["Content-Type"]  # aiohttp's client would add one
        async with self._session.request(
            method, self.url + path, data=body, headers=head | (headers or {}), skip_auto_headers=skip
        ) as reply:
            return Reply(reply.status, reply.headers, await reply.read())

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> Reply:
        """POST JSON; bytes are sent as they are."""
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await self.request("POST", path, body=data, headers=headers, **options)

    async def raw(self, data: bytes, *, until_closed: bool = False) -> bytes:
        """Send bytes on a connection of its own; the first reply, or all there is until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(DEADLINE_S):
                return await (reader.read(-1) if until_closed else read_reply(reader))
        finally:
            writer.close()


async def read_reply(reader: asyncio.StreamReader) -> bytes:
    """One HTTP reply, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


def parsed(reply: bytes) -> Reply:
    """A reply as it came over the wire."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return Reply(int(status.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body)


def pull_head(*lines: str) -> bytes:
    """The head of a pull, with further header lines."""
    head = [
        f"POST {PULL} HTTP/1.1", "Host: x", f"Authorization: Bearer {token()}", "Content-Type: application/json",
        *lines,
    ]  # fmt: skip
    return "\r\n".join([*head, "", ""]).encode()


@contextlib.asynccontextmanager
async def running(settings: Settings, *, ready: bool = True) -> AsyncIterator[Client]:
    """A worker in this process; stopped, and its end awaited, when the block is left."""
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    worker = asyncio.create_task(
        run_worker(settings, stop, listening=lambda host, port: bound.set_result(f"http://{host}:{port}"))
    )
    try:
        await asyncio.wait([worker, bound], return_when=asyncio.FIRST_COMPLETED)
        if worker.done():
            worker.result()
        async with aiohttp.ClientSession() as session:
            client = Client(bound.result(), session)
            if ready:
                await until_ready(client)
            yield client
    finally:
        stop.set()
        await worker


async def until_ready(client: Client) -> None:
    async def is_ready() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await client.get("/ready")).status == 200
        return False

    await until(is_ready, "/ready")


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Return as soon as the condition holds; fail the test after `DEADLINE_S`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not await condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited in vain for: {what}") from None


def dump(redis_url: str) -> dict[bytes, bytes]:
    """Everything that Redis holds, to compare; but for the sweeper's lease, which comes and goes by itself."""
    with administrator(redis_url) as client:
        return {key: client.dump(key) for key in client.scan_iter() if not key.endswith(b":sweeper")}


def assert_is_error(reply: Reply, status: int, code: str) -> Any:
    """The reply is an error in the form of all errors; its body."""
    assert (reply.status, reply.headers["Content-Type"]) == (status, "application/json"), reply.body
    body = reply.json
    assert body["code"] == body["detail"] == code
    assert body["message"]
    assert body["request_id"] == reply.headers["X-Request-Id"]
    assert b"Traceback" not in reply.body
    assert b".py" not in reply.body
    return body
