"""What happens to a call: its reply, cancellation, its deadline, the bound on calls in flight."""

import asyncio
import random
from typing import Any

import pytest
import redis

from croupier.transport import OutcomeUnknown, Overloaded, Reply, Unavailable
from tests.transport.exchange import plain
from tests.transport.own_server import OwnServer
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.support import Connect, until


async def test_given_calls_in_flight_when_one_is_cancelled_then_it_keeps_its_place(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)
    first, second, third = (transport.send("ECHO", text) for text in ("first", "second", "third"))
    await hold.reached.wait()
    second.cancel()
    assert transport.in_flight == 3
    hold.release()
    assert [await first, await third] == [b"first", b"third"]
    assert second.cancelled() and transport.in_flight == 0


async def test_given_a_call_not_yet_written_when_cancelled_then_the_others_get_their_replies(
    redis_url: str, connect: Connect
) -> None:
    transport = await connect(redis_url)
    first, second, third = (transport.send("ECHO", text) for text in ("first", "second", "third"))
    second.cancel()
    assert [await first, await third] == [b"first", b"third"]


async def test_given_a_stopped_server_when_a_deadline_passes_then_its_slot_remains_and_it_may_have_run(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url, stall_s=60.0)
    own_server.pause()
    patient = transport.send("ECHO", "patient", timeout_s=60.0)
    hurried = transport.send("INCR", "counter", timeout_s=0.05)
    last = transport.send("ECHO", "last", timeout_s=60.0)
    with pytest.raises(OutcomeUnknown, match="deadline passed"):
        await hurried
    assert not patient.done() and transport.in_flight == 3 and transport.unknown_outcomes == 1

    own_server.resume()
    assert [await patient, await last] == [b"patient", b"last"]
    assert await transport.call("GET", "counter") == b"1"
    assert transport.connection_number == 1


async def test_given_a_server_that_stays_silent_when_a_deadline_has_passed_then_it_connects_again(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url, stall_s=0.1, connect_timeout_s=0.2)
    own_server.pause()
    patient = transport.send("ECHO", "patient", timeout_s=60.0)
    with pytest.raises(OutcomeUnknown):
        await transport.send("PING", timeout_s=0.05)
    with pytest.raises(OutcomeUnknown, match="silent"):
        await patient
    assert transport.identity is None
    own_server.resume()
    await until(lambda: transport.identity is not None, "the next connection")
    assert await transport.call("ECHO", "again") == b"again"


async def test_given_as_many_calls_as_allowed_when_one_more_is_sent_then_it_is_refused_and_not_sent(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url, in_flight_max=4)
    hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)
    allowed = [transport.send("ECHO", index) for index in range(4)]
    with pytest.raises(Overloaded) as raised:
        transport.send("ECHO", "too many")
    assert isinstance(raised.value, Unavailable)
    await hold.reached.wait()
    allowed[0].cancel()
    with pytest.raises(Overloaded):  # the cancelled call holds its place until its reply arrives
        transport.send("ECHO", "too many")
    hold.release()
    assert [await each for each in allowed[1:]] == [b"1", b"2", b"3"]
    assert await transport.call("ECHO", "fits") == b"fits"
    assert [b"ECHO", b"too many"] not in proxy.requests(0)


async def test_given_a_bad_argument_or_a_passed_deadline_when_sent_then_it_is_refused_at_once(
    redis_url: str, connect: Connect
) -> None:
    transport = await connect(redis_url)
    bad: list[tuple[Any, ...]] = [(), ("SET", "key", None), ("SET", "key", True), ("SET", "key", [])]
    for arguments in bad:
        with pytest.raises(TypeError):
            transport.send(*arguments)
    with pytest.raises(Unavailable, match="deadline has already passed"):
        transport.send("SET", "key", 1, timeout_s=0.0)
    assert transport.in_flight == 0
    assert await transport.call("EXISTS", "key") == 0


async def _blocked(
    proxy: Proxy, connect: Connect, timeout_s: float
) -> "tuple[list[asyncio.Future[Reply]], ...]":
    """Return calls that fill the socket's buffers, and calls with `timeout_s` behind them, not yet written."""
    transport = await connect(proxy.url, stall_s=60.0)
    proxy.disturb(Direction.REQUESTS, Kind.HOLD, 0)
    payload = b"x" * 1_000_000
    script = "redis.call('INCR', KEYS[1]) return #ARGV[1]"
    written = [transport.send("EVAL", script, 1, f"written:{i}", payload, timeout_s=60.0) for i in range(16)]
    await until(lambda: transport._connection._paused, "a full socket")  # type: ignore[union-attr]
    waiting = [transport.send("INCR", f"waiting:{i}", timeout_s=timeout_s) for i in range(8)]
    return written, waiting


async def test_given_a_full_socket_when_it_drains_then_everything_that_waits_is_written_and_answered(
    control: redis.Redis, proxy: Proxy, connect: Connect
) -> None:
    written, waiting = await _blocked(proxy, connect, timeout_s=60.0)
    assert proxy.held is not None
    proxy.held.release()
    assert await asyncio.gather(*written) == [1_000_000] * 16
    assert await asyncio.gather(*waiting) == [1] * 8


async def test_given_a_full_socket_when_a_deadline_passes_then_the_command_is_never_written(
    control: redis.Redis, proxy: Proxy, connect: Connect
) -> None:
    written, waiting = await _blocked(proxy, connect, timeout_s=0.05)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [plain(outcome) for outcome in outcomes] == [Unavailable] * 8
    assert proxy.held is not None
    proxy.held.release()
    assert await asyncio.gather(*written) == [1_000_000] * 16
    assert control.keys("waiting:*") == []


async def test_given_a_full_socket_when_the_connection_is_lost_then_what_was_not_written_never_ran(
    control: redis.Redis, proxy: Proxy, connect: Connect
) -> None:
    written, waiting = await _blocked(proxy, connect, timeout_s=60.0)
    proxy.drop_connections()
    outcomes = await asyncio.gather(*written, *waiting, return_exceptions=True)
    expected = [OutcomeUnknown] * 16 + [Unavailable] * 8
    assert [plain(outcome) for outcome in outcomes] == expected
    assert control.keys("waiting:*") == []


async def test_given_5000_concurrent_calls_when_many_are_cancelled_then_the_others_get_their_own_replies(
    redis_url: str, connect: Connect
) -> None:
    transport = await connect(redis_url)

    async def caller(number: int) -> object:
        await asyncio.sleep(random.random() * 0.05)
        return await transport.call("ECHO", number, timeout_s=60.0)

    async def canceller(task: "asyncio.Task[object]") -> None:
        await asyncio.sleep(random.random() * 0.05)
        task.cancel()

    tasks = [asyncio.create_task(caller(number)) for number in range(5_000)]
    cancellers = [asyncio.create_task(canceller(task)) for task in tasks if random.random() < 0.4]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*cancellers)
    answered = 0
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, asyncio.CancelledError):
            answered += 1
            assert outcome == str(number).encode()
    assert 2_500 < answered < 5_000  # two in five are cancelled, some of them too late
    await until(lambda: transport.in_flight == 0, "the replies of the cancelled calls")
    assert transport.connection_number == 1 and transport.unknown_outcomes == 0
