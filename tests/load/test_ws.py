"""Load over WebSockets, beside what the server itself says of it."""

from tests.http.support import Client, running, settings_for
from tests.load.support import draws, load, loaded


async def test_given_frames_of_several_commands_when_loaded_then_the_server_has_done_each(
    client: Client,
) -> None:
    result = await loaded(
        client.url, "--ws", "--commands-per-frame", "8", "--requests", "800", "--players", "20"
    )  # fmt: skip

    assert (result["protocol"], result["commands_per_frame"]) == ("ws", 8)
    assert result["total"]["requests"] == result["total"]["done"] == 800
    assert await draws(client, *range(1, 21)) == 800


async def test_given_a_rate_and_a_mix_when_loaded_then_frames_become_due_and_bets_are_cashed_out(
    client: Client,
) -> None:
    result = await loaded(
        client.url, "--ws", "--commands-per-frame", "4", "--rate", "800", "--duration", "500ms", "--players", "40",
        "--scenario", "pull=3", "--scenario", "slot", "--scenario", "crash", "--idempotent",
    )  # fmt: skip

    found = result["scenarios"]
    assert set(found) == {"pull", "slot", "crash-bet", "crash-cashout"}
    assert result["total"]["requests"] == 400 + found["crash-cashout"]["requests"]
    assert found["crash-cashout"]["done"] == found["crash-bet"]["done"] > 0
    assert result["total"]["errors"] == 0


async def test_given_more_frames_than_a_socket_may_send_when_loaded_then_closed_sockets_are_errors_and_opened_again(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url, ws_frames_per_second=5)) as limited:
        result = await loaded(
            limited.url, "--ws", "--requests", "30", "--players", "2", "--connections", "2", "--scenario", "rps",
            "--error-budget", "0%", exit_code=3,
        )  # fmt: skip

    assert result["total"]["requests"] == 30
    assert result["total"]["done"] > 5
    assert all(code.startswith("closed 4429") for code in result["total"]["by_code"]["errors"])


async def test_given_more_sockets_than_a_player_may_have_when_loaded_then_it_does_not_begin(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url, ws_sockets_per_player=2)) as limited:
        outcome = await load(limited.url, "--ws", "--players", "1", "--connections", "3")

    outcome.require_refusal("takes no connection", "1013")
