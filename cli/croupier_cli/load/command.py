"""The command itself."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop

from croupier.settings import Settings
from croupier_cli.errors import CannotRun
from croupier_cli.exit_codes import BUDGET_EXCEEDED, CANNOT_RUN, DONE
from croupier_cli.load.arguments import Arguments
from croupier_cli.load.hgrm import hgrm
from croupier_cli.load.histogram import Histogram
from croupier_cli.load.plot import plot, require_matplotlib
from croupier_cli.load.result import Generator, Result, figures_of, moments
from croupier_cli.load.scenarios import Mix, parse_mix
from croupier_cli.load.session import Measured, measure
from croupier_cli.load.target import Target, parse_target, probe, read_tokens, signed_tokens
from croupier_cli.load.text import text, warnings
from croupier_cli.output import error, note, result, result_json
from croupier_cli.ready import base_url
from croupier_cli.tokens import signing_secret

_TTL_BESIDE_S: Final = 3600


def load(arguments: Arguments | None = None) -> int:
    """Send load to a server: in a closed loop, or at a constant rate; over HTTP or WebSockets.

    Prints requests per second, latencies up to p99.99 and what was not done, for each scenario and in total. Latencies
    of an open loop (--rate) count from the moment at which a request was due, also while it waited for a connection;
    use it where latency matters. Exit codes: 0 done, 2 cannot run as asked or ended early, 3 more errors than
    --error-budget allows. Players are real: what they win and lose is in the server's log for ever.

    Example: `croupier load --rate 2000 --duration 30s --scenario pull=70 --scenario slot=30 --error-budget 0.1%`
    """
    arguments = arguments or Arguments()
    arguments.check()
    if arguments.plot is not None:
        require_matplotlib()
    settings = Settings.from_environment(os.environ)
    target = parse_target(arguments.url or base_url(settings), arguments.allow_remote)
    mix = parse_mix(arguments.scenario or ["pull"])
    if arguments.ws and mix.queries:
        raise CannotRun(f"--ws: {', '.join(mix.queries)} is there over HTTP only; sockets take commands")
    tokens = _tokens(arguments, settings)
    probe(target, tokens[0])
    measured = uvloop.run(measure(arguments, target, mix, tokens))
    return _report(arguments, target, mix, len(tokens), measured)


def _tokens(arguments: Arguments, settings: Settings) -> Sequence[str]:
    if arguments.tokens_file is not None:
        return read_tokens(arguments.tokens_file)
    uids = range(arguments.first_uid, arguments.first_uid + arguments.players)
    ttl_s = round(arguments.warmup + arguments.seconds) + _TTL_BESIDE_S
    return signed_tokens(signing_secret(settings), arguments.tier, uids, ttl_s)


def _report(arguments: Arguments, target: Target, mix: Mix, players: int, measured: Measured) -> int:
    """Print the result and write the files; the exit code."""
    found = _result(arguments, target, mix, players, measured)
    if arguments.as_json:
        result_json(found)
    else:
        result(text(found))
    for warning in warnings(found):
        note(f"note: {warning}")
    whole = Histogram()
    for step in measured.tally.steps:
        whole.merge(step.histogram)
    if arguments.histogram is not None:
        _write(arguments.histogram, lambda file: file.write_text(hgrm(whole)))
    if arguments.plot is not None:
        _write(arguments.plot, lambda file: plot(found, whole, file))
    if found.ended_early:
        error(f"ended early: {found.ended_early}")
        return CANNOT_RUN
    return BUDGET_EXCEEDED if found.within_budget is False else DONE


def _result(arguments: Arguments, target: Target, mix: Mix, players: int, measured: Measured) -> Result:
    tally, schedule = measured.tally, measured.schedule
    seconds = (tally.ended_ns - tally.begins_ns) / 1e9
    total, scenarios = figures_of(mix, tally, schedule.not_sent * arguments.commands_per_frame)
    error_share = total.errors / total.requests if total.requests else 0.0
    budget = arguments.error_budget
    return Result(
        url=target.url,
        protocol="ws" if arguments.ws else "http",
        loop="closed" if arguments.rate is None else "open",
        rate=arguments.rate,
        connections=arguments.connections,
        commands_per_frame=arguments.commands_per_frame,
        players=players,
        seconds=round(seconds, 3),
        total=total,
        scenarios=scenarios,
        error_share=error_share,
        error_budget=budget,
        within_budget=None if budget is None else error_share <= budget,
        ended_early=measured.ended_early,
        generator=Generator(
            round(measured.cpu_s / seconds, 3) if seconds else 0.0, schedule.late_ns_max / 1e6
        ),
        over_time=moments(tally),
    )


def _write(file: Path, write: Callable[[Path], object]) -> None:
    try:
        write(file)
    except OSError as failure:
        raise CannotRun(f"{file} cannot be written: {failure.strerror or failure}") from failure
