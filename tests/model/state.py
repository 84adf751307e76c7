"""What the casino of the model keeps of its players, besides their progress on the banners."""

from dataclasses import dataclass, field

from tests.model.rate_limit import CallLog

GAMES = ("gacha", "crash", "slot", "rps")
IDLE_MS = 3_600_000


@dataclass
class Player:
    """One player. `calls` are those in the scope `games`."""

    tokens: int
    gems: int
    client_seed: str
    generation: int = 1
    nonce: int = 0
    day: int = 0
    pulls: int = 0
    banned: bool = False
    excluded_until_ms: int = 0
    calls: CallLog = field(default_factory=CallLog)


@dataclass(frozen=True)
class Round:
    """An open crash round. Multipliers are in hundredths; `target` is the auto cash-out, or else the cap."""

    game: bytes
    bet: int
    target: int
    cap: int
    growth: int
    started_at_ms: int
    nonce: int

    @property
    def payout_max(self) -> int:
        return self.bet * self.target // 100


@dataclass(frozen=True)
class Settlement:
    """How a crash round ended: `outcome` is cashed, auto or crashed; `paid` and `crash` are in hundredths."""

    game: bytes
    bet: int
    outcome: str
    paid: int
    crash: int
    payout: int


@dataclass
class Crash:
    """One player's crash rounds. `calls` are those in the scope `cashout`."""

    open: Round | None = None
    settled: Settlement | None = None
    calls: CallLog = field(default_factory=CallLog)


@dataclass
class Session:
    """One player's session in a game; `ended_at_ms` 0: open."""

    id: bytes
    started_at_ms: int
    last_at_ms: int
    ended_at_ms: int = 0
    rounds: int = 0
    bet: int = 0
    win: int = 0

    @property
    def open(self) -> bool:
        return not self.ended_at_ms

    def idle(self, now_ms: int) -> bool:
        return now_ms - self.last_at_ms >= IDLE_MS
