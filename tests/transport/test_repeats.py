"""Commands that the server refuses before running them are sent again, and nothing else is."""

import asyncio
import hashlib
from dataclasses import dataclass

import pytest
import redis

from croupier.transport import OutcomeUnknown, ReplyError, Transport, Unavailable
from tests.redis_server import administrator_url
from tests.transport.own_server import OwnServer, free_port
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.scripted_server import ScriptedServer
from tests.transport.support import Connect, until, until_connected


@dataclass(frozen=True)
class _Script:
    source: bytes

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.source).hexdigest()


@dataclass(frozen=True)
class _WrongScript(_Script):
    @property
    def sha(self) -> str:
        return "0" * 40


_COUNT = _Script(b"return {redis.call('INCR', KEYS[1]), ARGV[1]}")


def _is_busy(control: redis.Redis) -> bool:
    try:
        control.ping()
    except redis.ResponseError:
        return True
    return False


async def test_given_flushed_scripts_when_run_concurrently_then_each_is_loaded_and_runs_once(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url)
    for round_number in (1, 2):
        own_server.control.script_flush()
        replies = await asyncio.gather(
            *(transport.run(_COUNT, [f"key:{index}"], [index]) for index in range(50))
        )
        assert replies == [[round_number, str(index).encode()] for index in range(50)]


async def test_given_a_script_whose_sha_is_wrong_when_run_then_the_second_noscript_is_raised(
    redis_url: str, connect: Connect
) -> None:
    transport = await connect(redis_url)
    with pytest.raises(ReplyError) as raised:
        await transport.run(_WrongScript(b"return 1"), [], [])
    assert raised.value.code == "NOSCRIPT"


async def test_given_a_script_that_fails_when_run_then_its_error_is_raised_and_it_ran_once(
    control: redis.Redis, redis_url: str, connect: Connect
) -> None:
    transport = await connect(redis_url)
    failing = _Script(b"redis.call('INCR', KEYS[1]) return redis.error_reply('CODE and more')")
    with pytest.raises(ReplyError) as raised:
        await transport.run(failing, ["counter"], [])
    assert (raised.value.code, raised.value.message) == ("CODE", "and more")
    assert str(raised.value) == "CODE and more"
    assert control.get("counter") == b"1"


async def test_given_a_server_busy_with_a_script_when_called_then_the_call_is_repeated_until_it_runs(
    own_server: OwnServer, connect: Connect
) -> None:
    own_server.control.config_set("busy-reply-threshold", 1)
    async with Proxy(own_server.socket_path) as proxy:
        transport = await connect(administrator_url(proxy.url))
        endless = asyncio.create_task(asyncio.to_thread(own_server.control.eval, "while true do end", 0))
        await until(lambda: _is_busy(own_server.control), "the script to begin")
        call = asyncio.create_task(transport.call("INCR", "counter", timeout_s=60.0))
        await until(lambda: proxy.requests(0).count([b"INCR", b"counter"]) >= 3, "repeats while busy")
        own_server.control.script_kill()
        with pytest.raises(redis.ResponseError, match="killed"):
            await endless
        assert await call == 1


async def test_given_a_server_that_loads_its_data_when_called_then_the_call_is_repeated_until_it_runs(
    own_server: OwnServer, connect: Connect
) -> None:
    control = own_server.control
    control.mset({f"key:{index}": "x" * 100 for index in range(1_000)})
    control.config_set("key-load-delay", 1_000)  # microseconds for each key
    control.config_set("loading-process-events-interval-bytes", 1_024)
    async with Proxy(own_server.socket_path) as proxy:
        transport = await connect(administrator_url(proxy.url))
        reload = asyncio.create_task(asyncio.to_thread(control.execute_command, "DEBUG", "RELOAD"))
        await until(lambda: bool(control.info("persistence")["loading"]), "loading")
        call = asyncio.create_task(transport.call("INCR", "counter", timeout_s=60.0))
        await until(lambda: proxy.requests(0).count([b"INCR", b"counter"]) >= 3, "repeats while loading")
        control.config_set("key-load-delay", 0)
        assert await call == 1
        await reload


async def test_given_a_replica_without_its_primary_when_called_then_the_call_is_repeated_until_it_runs(
    own_server: OwnServer, connect: Connect
) -> None:
    own_server.control.set("key", "value")
    own_server.control.config_set("replica-serve-stale-data", "no")
    async with Proxy(own_server.socket_path) as proxy:
        transport = await connect(administrator_url(proxy.url))
        own_server.control.replicaof("127.0.0.1", free_port())
        call = asyncio.create_task(transport.call("GET", "key", timeout_s=60.0))
        await until(lambda: transport.identity is None, "the refusal")
        own_server.control.replicaof("NO", "ONE")
        assert await call == b"value"
        assert proxy.requests(0).count([b"GET", b"key"]) == 1
        assert transport.connection_number == 2


@pytest.mark.parametrize("code", ["TRYAGAIN", "ASK"])
async def test_given_a_cluster_that_moves_the_keys_when_called_then_the_call_is_repeated(
    connect: Connect, code: str
) -> None:
    answers = [f"-{code} 42 127.0.0.1:1\r\n".encode()] * 3 + [b"+done\r\n"]
    async with ScriptedServer(lambda _: answers.pop(0)) as server:
        transport = await connect(server.url)
        assert await transport.call("SET", "key", 1, timeout_s=60.0) == b"done"
        assert server.commands == [[b"SET", b"key", b"1"]] * 4
        assert transport.connection_number == 1


async def test_given_a_moved_key_when_called_then_it_connects_again_and_repeats(connect: Connect) -> None:
    answers = [b"-MOVED 42 127.0.0.1:1\r\n", b"+done\r\n"]
    async with ScriptedServer(lambda _: answers.pop(0)) as server:
        transport = await connect(server.url)
        assert await transport.run(_COUNT, ["key"], [1], timeout_s=60.0) == b"done"
        assert transport.connection_number == 2


async def test_given_a_script_bound_to_a_connection_when_that_is_gone_then_it_does_not_run_on_the_next(
    connect: Connect,
) -> None:
    answers = [b"-MOVED 42 127.0.0.1:1\r\n", b"+done\r\n"]
    async with ScriptedServer(lambda _: answers.pop(0)) as server:
        transport = await connect(server.url)
        with pytest.raises(Unavailable, match="connection 1 is gone"):
            await transport.run(_COUNT, ["key"], [1], timeout_s=60.0, connection_number=1)
        await until_connected(transport, 2)
        with pytest.raises(Unavailable, match="connection 1 is gone"):
            await transport.run(_COUNT, ["key"], [1], connection_number=1)
        assert len(server.commands) == 1
        assert await transport.run(_COUNT, ["key"], [1], connection_number=2) == b"done"


async def test_given_a_script_bound_to_a_connection_when_that_goes_while_it_waits_then_it_does_not_run(
    connect: Connect,
) -> None:
    transport: Transport

    def answer(_: list[bytes]) -> bytes:
        return b"-LOADING\r\n" if transport.connection_number == 1 else b"+done\r\n"

    async with ScriptedServer(answer) as server:
        transport = await connect(server.url)
        run = asyncio.create_task(transport.run(_COUNT, ["key"], [1], timeout_s=60.0, connection_number=1))
        # By then the pauses between repeats are longer than it takes to connect again.
        await until(lambda: len(server.commands) >= 5, "repeats")
        transport.reconnect("the test asked for it")
        with pytest.raises(Unavailable):
            await run


async def test_given_a_moved_key_when_sent_without_repeats_then_its_error_is_raised(connect: Connect) -> None:
    async with ScriptedServer(lambda _: b"-MOVED 42 127.0.0.1:1\r\n") as server:
        transport = await connect(server.url)
        with pytest.raises(ReplyError) as raised:
            await transport.send("GET", "key")
        assert raised.value.code == "MOVED"
        assert transport.identity is None
        await until_connected(transport, 2)
        assert len(server.commands) == 1


@pytest.mark.parametrize("code", ["LOADING", "MOVED"])
async def test_given_a_server_that_goes_on_refusing_when_the_deadline_passes_then_the_refusal_is_raised(
    connect: Connect, code: str
) -> None:
    async with ScriptedServer(lambda _: f"-{code} and again\r\n".encode()) as server:
        transport = await connect(server.url)
        with pytest.raises(ReplyError) as raised:
            await transport.call("PING", timeout_s=0.2)
        assert raised.value.code == code
        assert len(server.commands) > 1


@pytest.mark.parametrize("as_script", [False, True])
async def test_given_a_connection_lost_after_the_write_when_called_then_unknown_and_not_repeated(
    control: redis.Redis, proxy: Proxy, connect: Connect, as_script: bool
) -> None:
    transport = await connect(administrator_url(proxy.url))
    await transport.call("SCRIPT", "LOAD", _COUNT.source)
    proxy.disturb(Direction.REPLIES, Kind.CUT, 0)
    call = transport.run(_COUNT, ["counter"], [1]) if as_script else transport.call("INCR", "counter")
    with pytest.raises(OutcomeUnknown):
        await call
    await until_connected(transport, 2)
    assert await transport.call("GET", "counter") == b"1"
    assert control.get("counter") == b"1"


async def test_given_any_other_error_when_called_then_it_is_raised_without_a_repeat(connect: Connect) -> None:
    for code in ("ERR", "WRONGTYPE", "OOM", "BUSYGROUP", "NOREPLICAS", "NOSCRIPT"):
        async with ScriptedServer(lambda _: f"-{code} no\r\n".encode()) as server:  # noqa: B023
            transport = await connect(server.url)
            with pytest.raises(ReplyError) as raised:
                await transport.call("SET", "key", 1)
            assert raised.value.code == code
            assert len(server.commands) == 1
