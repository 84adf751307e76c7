"""Connecting, logging in, closing, and servers that do not keep to the protocol."""

import asyncio
from pathlib import Path

import pytest
import redis

from croupier.transport import OutcomeUnknown, Transport, Unavailable
from tests.redis_server import url_with
from tests.transport.own_server import OwnServer, free_port
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.scripted_server import ScriptedServer
from tests.transport.support import Connect, until, until_connected


async def test_given_a_unix_socket_and_a_database_when_connected_then_calls_run_there(
    control: redis.Redis, redis_url: str, connect: Connect
) -> None:
    assert redis_url.startswith("unix://")
    transport = await connect(f"{redis_url}?db=3")
    await transport.call("SET", "key", "in three")
    assert control.get("key") is None
    assert b"db=3" in await transport.call("CLIENT", "INFO")  # type: ignore[operator]


async def test_given_a_user_or_a_password_when_connected_then_it_is_logged_in(
    own_server: OwnServer, connect: Connect
) -> None:
    own_server.control.acl_setuser("alice", enabled=True, passwords=["+p@ss/word"], categories=["+@all"])
    alice = await connect(url_with("alice:p%40ss%2Fword", own_server.url))
    assert await alice.call("ACL", "WHOAMI") == b"alice"
    own_server.control.acl_setuser("default", enabled=True, categories=["+@all"])
    own_server.control.config_set("requirepass", "secret")
    default = await connect(url_with(":secret", own_server.url))
    assert await default.call("ACL", "WHOAMI") == b"default"


async def test_given_wrong_or_missing_credentials_when_opened_then_unavailable_without_quoting_them(
    own_server: OwnServer,
) -> None:
    for credentials, code in (("", "NOAUTH"), (":guess", "WRONGPASS"), ("bob:guess", "WRONGPASS")):
        transport = Transport(url_with(credentials, own_server.url))
        with pytest.raises(Unavailable, match=code) as raised:
            await transport.open()
        assert "guess" not in str(raised.value)
        await transport.close()


async def test_given_nobody_listens_when_opened_then_unavailable_and_open_may_be_tried_again(
    own_server: OwnServer,
) -> None:
    own_server.kill()
    transport = Transport(own_server.url)
    with pytest.raises(Unavailable):
        await transport.open()
    with pytest.raises(Unavailable, match="not open"):
        transport.send("PING")
    own_server.start()
    await transport.open()
    assert await transport.call("PING") == b"PONG"
    await transport.close()


async def test_given_a_server_that_accepts_and_says_nothing_when_opened_then_unavailable_in_time(
    proxy: Proxy,
) -> None:
    proxy.disturb(Direction.REPLIES, Kind.HOLD, 100)
    transport = Transport(proxy.url, connect_timeout_s=0.1)
    with pytest.raises(Unavailable, match=r"no connection within 0.1 s"):
        await transport.open()
    await transport.close()
    assert transport.unknown_outcomes == 0


async def test_given_a_handshake_cut_off_anywhere_when_opened_then_unavailable_and_never_half_open(
    proxy: Proxy, connect: Connect
) -> None:
    await (await connect(proxy.url)).close()
    handshake_bytes = proxy.replied_bytes(0) - 50  # numbers in INFO get shorter and longer
    transport = Transport(proxy.url)
    for offset in range(0, handshake_bytes, 7):
        cut = proxy.disturb(Direction.REPLIES, Kind.CUT, offset)
        with pytest.raises(Unavailable):
            await transport.open()
        assert cut.reached.is_set()
        assert transport.identity is None and transport.connection_number == 0
    await transport.open()
    assert await transport.call("PING") == b"PONG"
    await transport.close()
    assert transport.unknown_outcomes == 0


async def test_given_calls_in_flight_when_closed_then_it_waits_for_them_and_refuses_new_ones(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)
    calls = [transport.send("ECHO", index) for index in range(3)]
    closing = asyncio.create_task(transport.close(drain_s=60.0))
    await hold.reached.wait()
    with pytest.raises(Unavailable, match="closed"):
        transport.send("PING")
    hold.release()
    await closing
    assert await asyncio.gather(*calls) == [b"0", b"1", b"2"]
    await transport.close()
    with pytest.raises(Unavailable, match="closed"):
        await transport.call("PING")


async def test_given_a_server_that_does_not_answer_when_closed_then_the_rest_fails_after_the_drain_time(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)
    call = transport.send("PING", timeout_s=60.0)
    await transport.close(drain_s=0.01)
    with pytest.raises(OutcomeUnknown, match="closed"):
        await call


async def test_given_a_lost_server_when_called_or_closed_meanwhile_then_neither_waits_for_it(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url)
    own_server.kill()
    await until(lambda: transport.identity is None, "the loss of the connection")
    with pytest.raises(Unavailable):
        await transport.call("PING", timeout_s=60.0)
    await transport.close(drain_s=60.0)


@pytest.mark.parametrize("nonsense", [b"?what\r\n", b":1\r\n:2\r\n", b"*-7\r\n"])
async def test_given_a_server_that_sends_nonsense_when_received_then_it_connects_again(
    connect: Connect, nonsense: bytes
) -> None:
    async with ScriptedServer(lambda command: nonsense if command == [b"PING"] else b"+fine\r\n") as server:
        transport = await connect(server.url)
        call, behind = transport.send("PING"), transport.send("OTHER")
        outcomes = await asyncio.gather(call, behind, return_exceptions=True)
        assert not transport.identity
        assert b"+fine" not in outcomes
        await until_connected(transport, 2)
        assert await transport.call("OTHER") == b"fine"


async def test_given_slow_but_steady_replies_when_a_deadline_has_passed_then_the_connection_is_kept(
    connect: Connect,
) -> None:
    async with ScriptedServer(lambda _: b"") as server:
        transport = await connect(server.url, stall_s=0.3)
        with pytest.raises(OutcomeUnknown):
            await transport.send("SLOW", timeout_s=0.05)
        behind = transport.send("BEHIND", timeout_s=60.0)
        server.write(b"$60\r\n")
        for _ in range(62):  # sixty bytes and the end of the line, over longer than the stall time
            server.write(b"\n")
            await asyncio.sleep(0.01)
        server.write(b"+behind\r\n")
        assert await behind == b"behind"
        assert transport.connection_number == 1


async def test_given_no_server_at_all_when_the_socket_path_is_missing_then_unavailable(
    tmp_path: Path,
) -> None:
    for url in (f"unix://{tmp_path}/none", f"redis://127.0.0.1:{free_port()}"):
        with pytest.raises(Unavailable):
            await Transport(url).open()
