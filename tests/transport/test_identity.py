"""What a transport knows about its server, when it learns it, and when it forgets it."""

import asyncio

import pytest
import redis

from croupier.transport import ReplyError, Unavailable
from tests.redis_server import ADMINISTRATOR
from tests.transport.own_server import OwnServer, free_port
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.support import Connect, until, until_connected

_HANDSHAKE = [
    [b"AUTH", *map(str.encode, ADMINISTRATOR)],
    [b"SELECT", b"2"],
    [b"CLIENT", b"SETNAME", b"croupier"],
    [b"INFO", b"server"],
    [b"INFO", b"replication"],
]


async def test_given_a_server_when_connected_then_its_identity_and_version_are_known(
    control: redis.Redis, redis_url: str, connect: Connect
) -> None:
    transport = await connect(redis_url)
    info = control.info()
    assert str(transport.identity) == f"{info['run_id']}:{info['master_replid']}"
    assert transport.server_version == info["valkey_version"]
    assert transport.server is not None and transport.server.name == "valkey"
    assert transport.connection_number == 1 and transport.reconnects == 0


async def test_given_each_new_connection_when_made_then_nothing_is_sent_before_the_identity_is_known(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url.replace("/0", "/2"))
    assert await transport.call("ECHO", "first") == b"first"

    hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, 400)  # in the middle of the next handshake's INFO
    proxy.drop_connections()
    await hold.reached.wait()
    assert transport.identity is None and transport.server_version is None
    with pytest.raises(Unavailable):
        transport.send("ECHO", "too early")
    assert proxy.requests(1) == _HANDSHAKE
    hold.release()

    await until_connected(transport, 2)
    assert await transport.call("ECHO", "second") == b"second"
    assert proxy.requests(0) == [*_HANDSHAKE, [b"ECHO", b"first"]]
    assert proxy.requests(1) == [*_HANDSHAKE, [b"ECHO", b"second"]]
    assert transport.reconnects == 1


async def test_given_another_server_at_the_same_port_when_connected_again_then_the_identity_is_new(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url)
    before = transport.identity
    own_server.kill()
    await until(lambda: transport.identity is None, "the loss of the connection")
    own_server.start()
    await until_connected(transport, 2)
    assert transport.identity is not None and before is not None
    assert transport.identity.run_id != before.run_id
    assert transport.identity.run_id == own_server.control.info()["run_id"]


async def test_given_a_server_that_became_a_replica_when_it_refuses_a_write_then_it_is_forgotten(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url)
    own_server.control.replicaof("127.0.0.1", free_port())
    write, read = transport.send("SET", "key", 1), transport.send("ECHO", "behind")
    with pytest.raises(ReplyError) as raised:
        await write
    assert raised.value.code == "READONLY"
    assert transport.identity is None
    assert await read == b"behind"  # what was already written still gets its reply
    with pytest.raises(Unavailable, match="READONLY"):
        transport.send("GET", "key")
    with pytest.raises(Unavailable, match="is a replica"):
        await connect(own_server.url)
    assert transport.unknown_outcomes == 0


async def test_given_a_refused_write_when_the_server_is_promoted_then_the_call_succeeds_on_the_new_identity(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url)
    before = transport.identity
    own_server.control.replicaof("127.0.0.1", free_port())
    call = asyncio.create_task(transport.call("INCR", "counter", timeout_s=60.0))
    await until(lambda: transport.identity is None, "the refusal")
    own_server.control.replicaof("NO", "ONE")
    assert await call == 1
    info = own_server.control.info()
    assert str(transport.identity) == f"{info['run_id']}:{info['master_replid']}"
    assert transport.identity is not None and before is not None
    assert transport.identity.run_id == before.run_id
    assert transport.identity.master_replid != before.master_replid
    assert transport.connection_number == 2


async def test_given_a_caller_that_noticed_a_change_when_it_asks_for_a_reconnect_then_no_call_is_lost(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)
    calls = [transport.send("ECHO", index) for index in range(3)]
    await hold.reached.wait()
    transport.reconnect("the caller was fenced")
    assert transport.identity is None
    with pytest.raises(Unavailable, match="the caller was fenced"):
        transport.send("PING")
    await until_connected(transport, 2)
    assert await transport.call("PING") == b"PONG"
    hold.release()
    assert await asyncio.gather(*calls) == [b"0", b"1", b"2"]
    transport.reconnect("once more, with nothing in flight")
    await until_connected(transport, 3)


async def test_given_a_call_not_yet_written_when_the_server_is_forgotten_then_it_never_runs(
    control: redis.Redis, proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)
    written = transport.send("ECHO", "written")
    await hold.reached.wait()
    unwritten = transport.send("INCR", "counter")
    transport.reconnect("the caller was fenced")
    with pytest.raises(Unavailable):
        await unwritten
    hold.release()
    assert await written == b"written"
    await until_connected(transport, 2)
    assert await transport.call("EXISTS", "counter") == 0
    assert [b"INCR", b"counter"] not in proxy.requests(0)
