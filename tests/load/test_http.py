"""Load over HTTP, beside what the server itself says of it."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.support import Outcome
from tests.http.support import Client, forged, running, settings_for, token
from tests.load.support import draws, load, loaded

MIX = ("pull=70", "ten-pull=10", "slot=10", "rps=5", "balance=5", "crash=10")


async def test_given_a_number_of_requests_when_loaded_in_a_closed_loop_then_the_server_has_done_as_many(
    client: Client,
) -> None:
    result = await loaded(client.url, "--requests", "300", "--players", "3", "--first-uid", "71")

    assert (result["loop"], result["rate"], result["protocol"]) == ("closed", None, "http")
    assert result["total"]["requests"] == result["total"]["done"] == 300
    assert await draws(client, 71, 72, 73) == 300
    assert result["total"]["latency_ms"]["p50"] > 0
    assert (result["error_share"], result["within_budget"], result["ended_early"]) == (0, None, None)


async def test_given_a_rate_when_loaded_then_as_many_requests_become_due_as_it_says(client: Client) -> None:
    result = await loaded(client.url, "--rate", "400", "--duration", "500ms", "--players", "1")

    assert (result["loop"], result["rate"], result["players"]) == ("open", 400, 1)
    assert result["total"]["requests"] == result["total"]["done"] == await draws(client, 1) == 200


async def test_given_a_mix_when_loaded_then_every_scenario_has_its_share_and_each_bet_its_cash_out(
    client: Client,
) -> None:
    scenarios = [word for each in MIX for word in ("--scenario", each)]
    result = await loaded(client.url, *scenarios, "--requests", "600", "--idempotent")

    found = result["scenarios"]
    assert set(found) == {"pull", "ten-pull", "slot", "rps", "balance", "crash-bet", "crash-cashout"}
    assert found["crash-cashout"]["requests"] == found["crash-bet"]["done"] > 0
    assert result["total"]["requests"] == 600 + found["crash-cashout"]["requests"]
    assert result["total"]["errors"] == 0
    assert found["pull"]["requests"] > 3 * found["ten-pull"]["requests"] > 0


async def test_given_a_warm_up_when_loaded_then_the_server_does_it_and_it_is_not_counted(
    client: Client,
) -> None:
    result = await loaded(client.url, "--warmup", "200ms", "--requests", "50", "--players", "2")

    assert result["total"]["requests"] == 50
    assert await draws(client, 1, 2) > 50


async def test_given_limits_of_the_game_when_loaded_then_they_are_no_errors_and_it_is_said(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url)) as limited:
        outcome = await load(
            limited.url, "--requests", "40", "--players", "1", "--json", "--error-budget", "0%"
        )

    assert outcome.exit_code == 0
    result = json.loads(outcome.stdout)
    assert (result["total"]["done"], result["total"]["limited"], result["total"]["errors"]) == (5, 35, 0)
    assert all(code.startswith("429 ") for code in result["total"]["by_code"]["limited"])
    assert result["within_budget"] is True
    assert "met a limit or a rule of the game" in outcome.stderr


async def test_given_bets_beyond_a_balance_when_loaded_then_they_are_refused_and_no_errors(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url)) as limited:
        result = await loaded(
            limited.url, "--scenario", "ten-pull", "--requests", "3", "--players", "1", "--connections", "1"
        )

    # 100,000 tokens are two pulls of ten.
    assert (result["total"]["done"], result["total"]["refused"]) == (2, 1)
    assert result["total"]["by_code"]["refused"] == {"409 INSUFFICIENT_BALANCE": 1}


@pytest.mark.parametrize(("budget", "exit_code"), [("49.9%", 3), ("50%", 0), ("0.5", 0)])
async def test_given_half_of_the_tokens_wrong_when_loaded_then_errors_are_held_against_the_budget(
    client: Client, tmp_path: Path, budget: str, exit_code: int
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{token(7)}\n{forged(secret='x' * 40)}\n")
    result = await loaded(
        client.url, "--tokens-file", str(tokens), "--requests", "100", "--error-budget", budget,
        exit_code=exit_code,
    )  # fmt: skip

    assert (result["total"]["done"], result["total"]["errors"]) == (50, 50)
    assert result["total"]["by_code"] == {"errors": {"401 UNAUTHENTICATED": 50}}
    assert (result["error_share"], result["within_budget"]) == (0.5, exit_code == 0)
    assert await draws(client, 7) == 50


async def test_given_files_for_histogram_and_plot_when_loaded_then_they_hold_all_answers_and_are_not_written_over(
    client: Client, tmp_path: Path
) -> None:
    histogram, plot = tmp_path / "load.hgrm", tmp_path / "load.svg"
    files = ("--histogram", str(histogram), "--plot", str(plot))

    outcome = await load(client.url, "--requests", "120", "--players", "2", *files)

    assert outcome.exit_code == 0, outcome
    assert "closed loop, 32 at once over HTTP, 2 players" in outcome.stdout
    assert "Total count    =          120]" in histogram.read_text()
    assert ET.parse(plot).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    again: Outcome = await load(client.url, "--requests", "1", *files)
    again.require_refusal("--force")
