"""The arguments of `croupier load`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter, validators

from croupier_cli.errors import CannotRun
from croupier_cli.output import JsonFlag
from croupier_http.auth import UID_MAX
from croupier_schemas.economy import Tier

PLAYERS_MAX: Final = 1_000_000
CONNECTIONS_MAX: Final = 20_000
COMMANDS_PER_FRAME_MAX: Final = 128
REQUESTS_MAX: Final = 10**12
DURATION_S_MAX: Final = 86_400.0
WITH_REQUESTS_S: Final = 3_600.0
"""How long a load with `--requests` and without `--duration` may take."""

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_SHARE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(%?)")


def parse_duration_s(text: str) -> float:
    """Seconds from `500ms`, `30s`, `30`, `5m` or `1h`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _UNIT_S[found[2]] if found else -1.0
    if not 0 <= seconds <= DURATION_S_MAX:
        raise ValueError("it must be like 500ms, 30s, 5m or 1h, and at most 24h")
    return seconds


def parse_share(text: str) -> float:
    """A share from `0.1%` or `0.001`. Raises ValueError."""
    found = _SHARE.fullmatch(text)
    share = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= share <= 1:
        raise ValueError("it must be like 0.1% or 0.001, from 0 to 100%")
    return share


def _duration(_type: Any, tokens: Sequence[Any]) -> float:
    return parse_duration_s(tokens[0].value)


def _share(_type: Any, tokens: Sequence[Any]) -> float:
    return parse_share(tokens[0].value)


def _within(low: float, high: float) -> Parameter:
    return Parameter(validator=validators.Number(gte=low, lte=high))


Duration = Annotated[float, Parameter(converter=_duration)]
Flag = Annotated[bool, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What `croupier load` is asked for. Durations are in seconds."""

    url: str | None = None
    """The server; by default that of `croupier up` on this machine (CROUPIER_HTTP_HOST, CROUPIER_HTTP_PORT)."""

    allow_remote: Flag = False
    """Send load to another machine. Only to one that is yours to load."""

    http: Flag = False
    """Load over HTTP, which is the default."""

    ws: Flag = False
    """Load over WebSockets, each player on a socket of its own, in msgpack."""

    commands_per_frame: Annotated[int, _within(1, COMMANDS_PER_FRAME_MAX)] = 1
    """Commands in each frame, with --ws."""

    scenario: Annotated[list[str], Parameter(negative="")] | None = None
    """What players do: pull, ten-pull, slot, rps, crash or balance, with a weight; repeated, it is a mix.
    [default: pull=1]"""

    connections: Annotated[int, _within(1, CONNECTIONS_MAX)] = 32
    """How many requests, or frames, wait for their answers at once: all the time, or with --rate at most."""

    rate: Annotated[float, _within(0.001, 1_000_000)] | None = None
    """Open loop: so many requests become due per second, whatever the server does. Without it each connection sends its
    next request when the one before is answered (closed loop)."""

    queue: Annotated[int, _within(0, 10_000_000)] = 10_000
    """With --rate: how many requests, or frames, may wait for a free connection; one more is an error, `not sent`."""

    duration: Duration | None = None
    """How long to send: 500ms, 30s, 5m, 1h. [default: 30s, or with --requests at most 1h]"""

    requests: Annotated[int, _within(1, REQUESTS_MAX)] | None = None
    """Send so many and end; a cash-out, which follows its bet by itself, is not one of them."""

    warmup: Duration = 0.0
    """Send as long before that, and count nothing of it."""

    timeout: Duration = 10.0
    """How long an answer may take once its request was sent."""

    players: Annotated[int, _within(1, PLAYERS_MAX)] = 1_024
    """How many players play, each in turn; 1 is one hot player."""

    first_uid: Annotated[int, _within(1, UID_MAX)] = 1
    """Id of the first of them."""

    tier: Tier = "VIP"
    """Their tier."""

    tokens_file: Path | None = None
    """Their access tokens, one a line, instead of signing them here."""

    idempotent: Flag = False
    """Send a new idempotency key with each command."""

    error_budget: Annotated[float, Parameter(converter=_share)] | None = None
    """The largest share of requests that may be errors, such as 0.1%; exit code 3 where there are more."""

    histogram: Path | None = None
    """Write all latencies to this file, in HdrHistogram's text format (.hgrm)."""

    plot: Path | None = None
    """Draw latencies and rate into this file (.svg)."""

    force: Flag = False
    """Write over files that are there."""

    as_json: JsonFlag = False

    @property
    def seconds(self) -> float:
        """How long to send, at most."""
        if self.duration is not None:
            return self.duration
        return 30.0 if self.requests is None else WITH_REQUESTS_S

    def check(self) -> None:
        """Raise CannotRun for what does not go together."""
        if self.http and self.ws:
            raise CannotRun("--http or --ws: one of them")
        if self.commands_per_frame > 1 and not self.ws:
            raise CannotRun("--commands-per-frame needs --ws: over HTTP a request is one command")
        if self.seconds <= 0 or self.timeout <= 0:
            raise CannotRun("--duration and --timeout must be above 0")
        if self.first_uid + self.players - 1 > UID_MAX:
            raise CannotRun(f"--first-uid and --players: ids end at {UID_MAX:,}")
        for file in (self.histogram, self.plot):
            if file is None:
                continue
            if file.exists() and not self.force:
                raise CannotRun(f"{file} exists: --force writes over it")
            if not file.absolute().parent.is_dir():
                raise CannotRun(f"{file} cannot be written: there is no directory {file.absolute().parent}")
