"""`croupier economy simulate` and its progress on a terminal."""

import json
import os
import pty
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from croupier.economy import load_economy
from tests.cli.support import DEADLINE_S, command, croupier, environment


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "economy.toml"
    path.write_bytes(resources.files("croupier.economy").joinpath("default.toml").read_bytes())
    return str(path)


def simulate(file: str, *words: str) -> str:
    """What it prints, with nothing beside it."""
    outcome = croupier("economy", "simulate", file, *words)
    assert (outcome.exit_code, outcome.stderr) == (0, ""), outcome
    return outcome.stdout


def test_given_a_file_then_each_banner_and_each_game_is_simulated_and_the_seed_decides(file: str) -> None:
    simulated = json.loads(simulate(file, "--pulls", "2000", "--json"))

    assert [run["banner"] for run in simulated["banners"]] == list(load_economy().gacha.banners)
    assert [run["game"] for run in simulated["games"]] == ["crash", "slot", "rps"]
    assert all(sum(each["count"] for each in run["rarities"]) == 2_000 for run in simulated["banners"])
    assert json.loads(simulate(file, "--pulls", "2000", "--json", "--seed", "croupier")) == simulated
    other = json.loads(simulate(file, "--pulls", "2000", "--json", "--seed", "other"))
    assert other["banners"] != simulated["banners"]


def test_given_one_banner_then_it_alone_is_simulated_and_as_beside_the_others(file: str) -> None:
    alone = json.loads(simulate(file, "--pulls", "500", "--banner", "spotlight", "--json"))
    together = json.loads(simulate(file, "--pulls", "500", "--json"))

    assert alone["games"] == []
    assert alone["banners"] == [run for run in together["banners"] if run["banner"] == "spotlight"]


def test_given_no_json_then_a_table_for_people(file: str) -> None:
    printed = simulate(file, "--pulls", "20000")

    assert "standard: 20,000 pulls" in printed
    assert "Legendary" in printed
    assert "1.6317 %" in printed  # the long run of Legendary on `standard`
    assert "tokens per Legendary: " in printed
    assert ", in the long run 306,435" in printed
    assert "were downgraded to Common, because their pool was empty" in printed
    assert "rps: RTP 98 %, over 20,000 rounds 9" in printed


def test_given_what_cannot_be_simulated_then_refused(file: str) -> None:
    words = ["economy", "simulate", file, "--pulls", "10"]
    croupier(*words, "--banner", "nowhere").require_refusal(
        "no banner 'nowhere'; it has standard, festival, spotlight"
    )
    Path(file).write_text("")
    croupier(*words).require_refusal("is no sound economy")


def test_given_a_terminal_then_progress_is_one_line_that_is_gone_at_the_end(file: str) -> None:
    reader, writer = pty.openpty()
    done = subprocess.run(
        command("economy", "simulate", file, "--pulls", "20000", "--banner", "standard"),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=DEADLINE_S,
        check=True,
    )
    os.close(writer)
    said = os.read(reader, 65_536).decode()
    os.close(reader)

    assert "standard: 50 %" in said
    assert "standard: 100 %" in said
    assert said.endswith("\r\x1b[K")
    assert "\n" not in said
    assert done.stdout.startswith(b"standard: 20,000 pulls")
