"""Requests cut off and held back at every byte of a scripted exchange."""

import asyncio

import redis

from croupier.transport import OutcomeUnknown
from tests.transport.exchange import exchange, plain, request_ends
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.support import Connect, until_connected


async def test_given_requests_cut_off_at_any_byte_when_lost_then_all_are_unknown_and_none_runs_twice(
    control: redis.Redis, proxy: Proxy, connect: Connect
) -> None:
    for offset in range(request_ends(exchange("000000"))[-1] + 1):
        transport = await connect(proxy.url)
        steps = exchange(f"{offset:06}")
        ran = [end <= offset for end in request_ends(steps)]
        proxy.disturb(Direction.REQUESTS, Kind.CUT, offset)
        futures = [transport.send(*step.command, timeout_s=30.0) for step in steps]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert [plain(outcome) for outcome in outcomes] == [OutcomeUnknown] * len(steps), offset
        await proxy.server_has_read_all()

        await until_connected(transport, 2)
        assert await transport.call("ECHO", f"again {offset}") == f"again {offset}".encode()
        assert {step.counter: control.get(step.counter) for step in steps if step.counter} == {
            step.counter: b"1" if whole else None
            for step, whole in zip(steps, ran, strict=True)
            if step.counter
        }, offset
        await transport.close()


async def test_given_requests_split_at_any_byte_when_answered_then_each_caller_gets_its_own(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    for offset in range(request_ends(exchange("000000"))[-1]):
        steps = exchange(f"{offset:06}")
        split = proxy.disturb(Direction.REQUESTS, Kind.SPLIT, offset)
        futures = [transport.send(*step.command, timeout_s=30.0) for step in steps]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert [plain(outcome) for outcome in outcomes] == [step.reply for step in steps], offset
        assert split.reached.is_set()
    assert transport.connection_number == 1
