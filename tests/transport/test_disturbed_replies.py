"""Replies split, held back and cut off at every byte of a scripted exchange."""

import asyncio
from typing import Any

import redis

from croupier.transport import OutcomeUnknown, Transport
from tests.transport.exchange import Step, exchange, plain, reply_ends
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.support import Connect, until, until_connected


def _send(transport: Transport, steps: list[Step]) -> "list[asyncio.Future[Any]]":
    return [transport.send(*step.command, timeout_s=30.0) for step in steps]


async def _outcomes(futures: "list[asyncio.Future[Any]]") -> list[object]:
    return [plain(outcome) for outcome in await asyncio.gather(*futures, return_exceptions=True)]


def _total_bytes() -> int:
    return reply_ends(exchange("000000"))[-1]


async def test_given_replies_split_at_any_byte_when_received_then_each_caller_gets_its_own(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    for offset in range(_total_bytes()):
        steps = exchange(f"{offset:06}")
        split = proxy.disturb(Direction.REPLIES, Kind.SPLIT, offset)
        assert await _outcomes(_send(transport, steps)) == [step.reply for step in steps], offset
        assert split.reached.is_set()
    assert transport.connection_number == 1


async def test_given_replies_held_back_at_any_byte_when_released_then_only_the_complete_ones_came_before(
    proxy: Proxy, connect: Connect
) -> None:
    transport = await connect(proxy.url)
    for offset in range(_total_bytes()):
        steps = exchange(f"{offset:06}")
        complete = [end <= offset for end in reply_ends(steps)]
        hold = proxy.disturb(Direction.REPLIES, Kind.HOLD, offset)
        futures = _send(transport, steps)
        await hold.reached.wait()
        await until(lambda: sum(f.done() for f in futures) >= sum(complete), f"replies before {offset}")  # noqa: B023
        assert [future.done() for future in futures] == complete, offset
        hold.release()
        assert await _outcomes(futures) == [step.reply for step in steps], offset
    assert transport.connection_number == 1


async def test_given_replies_cut_off_at_any_byte_when_lost_then_the_rest_is_unknown_and_never_repeated(
    control: redis.Redis, proxy: Proxy, connect: Connect
) -> None:
    for offset in range(_total_bytes() + 1):
        transport = await connect(proxy.url)
        steps = exchange(f"{offset:06}")
        complete = [end <= offset for end in reply_ends(steps)]
        cut = proxy.disturb(Direction.REPLIES, Kind.CUT, offset)
        outcomes = await _outcomes(_send(transport, steps))
        assert outcomes == [
            step.reply if whole else OutcomeUnknown for step, whole in zip(steps, complete, strict=True)
        ], offset
        assert transport.unknown_outcomes == complete.count(False)
        await cut.reached.wait()

        await until_connected(transport, 2)
        assert await transport.call("ECHO", f"again {offset}") == f"again {offset}".encode()
        assert transport.reconnects == 1
        counters = [step.counter for step in steps if step.counter]
        assert control.mget(counters) == [b"1"] * len(counters), offset
        await transport.close()
