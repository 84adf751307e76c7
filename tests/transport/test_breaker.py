"""The circuit breaker: when calls are refused at once, what asks the server whether it is back, and who gets what."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from croupier.transport import BreakerState, OutcomeUnknown, Transport, Unavailable
from tests.transport.own_server import OwnServer
from tests.transport.scripted_server import ScriptedServer
from tests.transport.support import Connect, until, until_connected

MISSED_MAX = 3
DEADLINE_S = 0.05
NEVER_S = 1e6
"""Longer than any test: a connection that is not dropped for its silence."""


class Server(ScriptedServer):
    """Answers each command with its last argument, or with nothing while `silent`; then `late` is what it owes."""

    def __init__(self, to_probes: bytes = b"+PONG\r\n") -> None:
        super().__init__(self._reply)
        self._to_probes = to_probes
        self.silent = False
        self.late: list[bytes] = []

    def _reply(self, command: list[bytes]) -> bytes:
        reply = b"$%d\r\n%s\r\n" % (len(command[-1]), command[-1])
        if command == [b"PING"]:
            reply = self._to_probes
        if not self.silent:
            return reply
        self.late.append(reply)
        return b""

    def speak(self) -> None:
        """Send what is owed, and answer again."""
        self.silent = False
        owed, self.late = self.late, []
        self.write(b"".join(owed))

    @property
    def probes(self) -> int:
        return self.commands.count([b"PING"])


async def connect_patiently(connect: Connect, server: Server) -> Transport:
    return await connect(server.url, missed_max=MISSED_MAX, stall_s=NEVER_S)


async def miss(transport: Transport, count: int) -> None:
    """So many calls whose deadlines pass."""
    calls = [transport.send("ECHO", "missed", timeout_s=DEADLINE_S) for _ in range(count)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * count


def events(lines: list[Any]) -> list[str]:
    return [line["event"] for line in lines if "breaker" in line["event"]]


async def test_given_deadlines_missed_in_a_row_when_called_again_then_refused_at_once_and_nothing_is_sent(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        assert (transport.breaker.state, transport.breaker.openings) == (BreakerState.CLOSED, 0)
        server.silent = True
        await miss(transport, MISSED_MAX)
        assert transport.breaker.state is not BreakerState.CLOSED

        for _ in range(100):
            with pytest.raises(Unavailable, match="3 deadlines"):
                transport.send("ECHO", "refused", timeout_s=60.0)
        await until(lambda: server.probes > 0, "a probe")

        assert [b"ECHO", b"refused"] not in server.commands
        assert transport.in_flight == len(server.late)
        assert transport.breaker.openings == 1


async def test_given_fewer_missed_deadlines_or_an_answer_between_them_when_called_then_let_through(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        for _ in range(3):
            server.silent = True
            await miss(transport, MISSED_MAX - 1)
            server.speak()
            assert await transport.call("ECHO", "in time") == b"in time"
        assert transport.breaker.openings == 0
        assert server.probes == 0


async def test_given_late_replies_only_when_deadlines_are_missed_then_open_though_the_server_speaks(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        for _ in range(MISSED_MAX):
            server.silent = True
            await miss(transport, 1)
            server.speak()
            await until(lambda: transport.in_flight == 0, "the late reply")
        assert transport.breaker.openings == 1


async def test_given_callers_who_have_gone_when_their_deadlines_pass_then_none_counts_as_missed(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        server.silent = True
        calls = [transport.send("ECHO", "left", timeout_s=DEADLINE_S) for _ in range(2 * MISSED_MAX)]
        await until(lambda: len(server.late) == len(calls), "the calls to be written")
        for call in calls:
            call.cancel()
        await miss(transport, 1)  # its deadline is after theirs
        assert transport.breaker.state is BreakerState.CLOSED


async def test_given_a_probe_under_way_when_called_then_refused_and_there_is_one_probe_at_a_time(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        server.silent = True
        await miss(transport, MISSED_MAX)
        for nth in (1, 2):
            await until(
                lambda nth=nth: transport.breaker.state is BreakerState.HALF_OPEN and server.probes == nth,  # type: ignore[misc]
                f"probe {nth}",
            )
            with pytest.raises(Unavailable):
                transport.send("ECHO", "refused")
            assert transport.in_flight == MISSED_MAX + nth
        assert server.commands == [[b"ECHO", b"missed"]] * MISSED_MAX + [[b"PING"]] * 2


async def test_given_late_replies_and_an_answered_probe_when_called_then_closed_and_each_gets_its_own_reply(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        server.silent = True
        await miss(transport, MISSED_MAX)
        await until(lambda: server.probes == 1, "a probe")
        server.speak()
        await until(lambda: transport.breaker.state is BreakerState.CLOSED, "the breaker to close")

        replies = await asyncio.gather(*(transport.call("ECHO", index) for index in range(50)))

        assert replies == [b"%d" % index for index in range(50)]
        assert (transport.in_flight, transport.connection_number) == (0, 1)
        server.silent = True
        await miss(transport, MISSED_MAX - 1)  # counted from nought again
        assert transport.breaker.openings == 1


@pytest.mark.parametrize("reply", [b"-LOADING wait\r\n", b"-BUSY wait\r\n"])
async def test_given_a_probe_answered_with_an_error_when_called_then_closed(
    connect: Connect, reply: bytes
) -> None:
    async with Server(to_probes=reply) as server:
        transport = await connect_patiently(connect, server)
        server.silent = True
        await miss(transport, MISSED_MAX)
        server.speak()
        await until(lambda: transport.breaker.state is BreakerState.CLOSED, "the breaker to close")


async def test_given_a_lost_server_when_it_is_back_then_each_change_was_logged_once(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url)
    with capture_logs() as lines:
        own_server.kill()
        await until(lambda: transport.identity is None, "the loss of the connection")
        assert transport.breaker.state is not BreakerState.CLOSED
        await until(lambda: transport.breaker.state is BreakerState.HALF_OPEN, "a first attempt")
        for _ in range(50):
            with pytest.raises(Unavailable):
                transport.send("PING")
        await until(lambda: transport.breaker.state is BreakerState.OPEN, "the end of an attempt")
        own_server.start()
        await until_connected(transport, 2)

    assert await transport.call("PING") == b"PONG"
    assert (transport.breaker.state, transport.breaker.openings) == (BreakerState.CLOSED, 1)
    assert events(lines) == ["redis circuit breaker opened", "redis circuit breaker closed"]


async def test_given_a_stopped_server_when_it_goes_on_then_nothing_has_piled_up_and_calls_succeed(
    own_server: OwnServer, connect: Connect
) -> None:
    transport = await connect(own_server.url, missed_max=MISSED_MAX, stall_s=0.1, connect_timeout_s=0.1)
    own_server.pause()
    with capture_logs() as lines:
        await miss(transport, MISSED_MAX)
        with pytest.raises(Unavailable):
            transport.send("PING")
        await until(lambda: transport.identity is None, "the silent connection to be dropped")
        assert transport.in_flight == 0
        own_server.resume()
        await until_connected(transport, 2)

    assert await transport.call("ECHO", "mine") == b"mine"
    # Dropping the connection is no second opening.
    assert events(lines) == ["redis circuit breaker opened", "redis circuit breaker closed"]
    assert transport.breaker.openings == 1


async def test_given_an_open_breaker_when_the_transport_is_closed_then_that_is_no_opening_and_no_probe_stays(
    connect: Connect,
) -> None:
    async with Server() as server:
        transport = await connect_patiently(connect, server)
        with capture_logs() as lines:
            server.silent = True
            await miss(transport, MISSED_MAX)
            await until(lambda: server.probes == 1, "a probe")
            await transport.close(drain_s=0.0)
            with pytest.raises(Unavailable, match="closed"):
                transport.send("PING")
            await (await connect_patiently(connect, server)).close(drain_s=0.0)
        assert events(lines) == ["redis circuit breaker opened"]
        assert server.probes == 1
        assert not [task for task in asyncio.all_tasks() if "Transport._probe" in repr(task)]
