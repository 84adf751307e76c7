"""What a process believes of a partition, when it has to ask a Redis that does not answer."""

import asyncio

from croupier.errors import CroupierError
from croupier.transport import Transport
from croupier.views import Views
from tests.transport.scripted_server import ScriptedServer

CALLERS = 50


async def test_given_a_redis_that_does_not_answer_when_many_ask_what_to_believe_then_none_waits_for_the_others() -> (
    None
):
    async with ScriptedServer(lambda _: b"") as server:
        transport = Transport(server.url)
        await transport.open()
        views = Views(transport, 0.05, lambda _: None, deterministic=False)
        for _ in range(2):
            outcomes = await asyncio.gather(
                *(views.believed(0) for _ in range(CALLERS)), return_exceptions=True
            )

            assert {outcome.code for outcome in outcomes if isinstance(outcome, CroupierError)} == {
                "NOT_READY"
            }
            assert len(outcomes) == CALLERS
        # One question for all of them, which the second round found still unanswered.
        assert len(server.commands) == 1
        await transport.close(drain_s=0.0)
        await asyncio.sleep(0)
