"""What `croupier load` takes, and what it refuses before a request is sent."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

from croupier_cli.errors import CannotRun
from croupier_cli.load.arguments import parse_duration_s, parse_share
from croupier_cli.load.scenarios import parse_mix
from croupier_cli.load.target import parse_target
from croupier_cli.main import main
from tests.cli.support import Outcome, croupier, environment, free_port
from tests.http.support import SECRET

ENV = environment(JWT_SECRET_KEY=SECRET)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("30", 30), ("1.5m", 90), ("1h", 3600), ("0s", 0)]
)
def test_given_a_duration_then_it_is_read(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "25h", "nan"])
def test_given_no_duration_then_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration_s(text)


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("0.001", 0.001), ("0", 0), ("100 %", 1)])
def test_given_a_share_then_it_is_read(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "101%", "2", "-1%"])
def test_given_no_share_then_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_share(text)


def test_given_weights_when_dealt_then_shares_follow_them_and_are_the_same_in_each_run() -> None:
    mix = parse_mix(["pull=70", "slot=20", "crash=10"])
    dealt = [step.name for step in itertools.islice(mix.deal(), 20_000)]
    counts = Counter(dealt)

    assert [counts[name] / 20_000 for name in ("pull", "slot", "crash-bet")] == pytest.approx(
        [0.7, 0.2, 0.1], abs=0.01
    )
    assert dealt == [step.name for step in itertools.islice(mix.deal(), 20_000)]
    assert sorted(step.number for step in mix.steps) == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["poker", "pull=0", "pull=-1", "pull=x", "pull=nan", "=1"])
def test_given_a_scenario_that_there_is_not_then_it_is_refused(text: str) -> None:
    with pytest.raises(CannotRun):
        parse_mix([text])


def test_given_a_scenario_twice_then_it_is_refused() -> None:
    with pytest.raises(CannotRun, match="twice"):
        parse_mix(["pull=1", "pull=2"])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000", "http://127.8.9.1:1/base/"]
)
def test_given_this_machine_then_load_is_sent_there(url: str) -> None:
    parse_target(url, allow_remote=False)


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.1:8000", "https://casino.example", "http://0.0.0.0:8000", "http://localhost.example"],
)
def test_given_another_machine_then_load_is_sent_there_only_where_that_is_allowed(url: str) -> None:
    with pytest.raises(CannotRun, match="--allow-remote"):
        parse_target(url, allow_remote=False)
    assert parse_target(url, allow_remote=True).url.startswith(url)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://[x"]
)
def test_given_no_url_then_it_is_refused(url: str) -> None:
    with pytest.raises(CannotRun):
        parse_target(url, allow_remote=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "http://192.0.2.1:8000"), "--allow-remote"),
        (("--ws", "--http"), "one of them"),
        (("--ws", "--scenario", "balance"), "over HTTP only"),
        (("--commands-per-frame", "2"), "needs --ws"),
        (("--scenario", "poker"), "there is no 'poker'"),
        (("--duration", "0s"), "above 0"),
        (("--duration", "1d"), "500ms"),
        (("--error-budget", "2"), "0.1%"),
        (("--rate", "0"), "--rate"),
        (("--players", "0"), "--players"),
        (("--tokens-file", "there-is-none"), "cannot be read"),
        (("--histogram", "no/such/directory"), "no directory"),
        (("--players", "2", "--first-uid", "9007199254740991"), "--first-uid"),
    ],
)
def test_given_what_does_not_go_together_then_one_line_says_so(
    arguments: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)

    exit_code = main(["load", *arguments])

    printed = capsys.readouterr()
    Outcome(exit_code, printed.out, printed.err).require_refusal(words)


def test_given_no_server_then_one_line_says_how_to_start_one() -> None:
    outcome = croupier("load", "--url", f"http://127.0.0.1:{free_port()}", env=ENV)
    outcome.require_refusal("nothing answers", "croupier up")


def test_given_no_secret_then_one_line_says_where_it_comes_from(tmp_path: Path) -> None:
    outcome = croupier("load", env=environment(CROUPIER_DATA_DIR=str(tmp_path)))
    outcome.require_refusal("JWT_SECRET_KEY")
