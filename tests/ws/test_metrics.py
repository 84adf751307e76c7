"""What the metrics say of sockets that ended, and of commands over WebSockets."""

import pytest

from tests.http.support import Client, token, until
from tests.ws.raw import CLOSE, frame, raw_socket
from tests.ws.support import MONITOR, connected
from tests.ws.test_bounds import metric

SECONDS = 'websocket_command_duration_seconds_count{command="slot.spin"}'


@pytest.mark.parametrize(
    ("sent", "code"),
    [(1000, "1000"), (1001, "1001"), (3999, "other"), (4999, "other"), (0, "1000"), (None, "1006")],
)
async def test_given_a_client_that_closes_when_counted_then_by_its_code_if_that_is_a_common_one(
    client: Client, sent: int | None, code: str
) -> None:
    name = f'websocket_closes_total{{code="{code}",kind="monitor"}}'
    before = await metric(client, name)
    async with raw_socket(client, MONITOR, bearer=token(1, role="admin")) as raw:
        if sent is None:
            raw.writer.transport.abort()
        else:
            raw.writer.write(frame(sent.to_bytes(2, "big") if sent else b"", CLOSE))

        async def is_counted() -> bool:
            return await metric(client, name) == before + 1

        await until(is_counted, name)


async def test_given_a_server_that_closes_when_counted_then_by_its_code(client: Client) -> None:
    name = 'websocket_closes_total{code="1003",kind="player"}'
    before = await metric(client, name)
    async with connected(client) as socket:
        await socket.ws.send_bytes(b"")
        assert await socket.closed() == 1003

    async def is_counted() -> bool:
        return await metric(client, name) == before + 1

    await until(is_counted, name)


async def test_given_commands_that_are_done_and_refused_when_answered_then_their_durations_are_counted(
    client: Client,
) -> None:
    before = await metric(client, SECONDS)
    async with connected(client) as socket:
        assert (await socket.command("slot.spin", {"bet_amount": 100}))[1] == 200  # the first needs a task
        assert (await socket.command("slot.spin", {"bet_amount": 100}))[1] == 200
        assert (await socket.command("slot.spin", {"bet_amount": 7}))[1] == 422
        assert (await socket.command("ping"))[1] == 200

    assert await metric(client, SECONDS) == before + 3
