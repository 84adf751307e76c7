"""Script throughput at pipeline depth 32, beside the floor: one GET, one SET and one XADD in a script."""

import asyncio
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import croupier_lua
from bench.harness import RawConnection
from bench.recording import DEPTH, PLAYERS, Case, Floor, Recorded, Run, last_event_bytes, record
from croupier.actions.record import RECORD
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.settle import SETTLE
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.scripts import Scripts
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier_cli.embedded import Valkey
from croupier_schemas.actions import ActionsRecord
from croupier_schemas.crash import CrashBet, CrashCashout, CrashSettle
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.rps import RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin

ROUNDS = 40
HOUR_MS = 3_600_000

_RATE_LIMIT = """
local rate_slot, rate_blocked = nil, 0
"""


async def exists(run: Run) -> Any:
    """The player has been drawn for before, as nearly all have."""
    return await run(SPIN, SlotSpin(bet_amount=100))


async def has_bet(run: Run) -> Any:
    """The player has an open crash bet."""
    await exists(run)
    return await run(BET, CrashBet(bet_amount=100))


async def has_session(run: Run) -> Any:
    """The player has an open session."""
    await exists(run)
    return await run(START, SessionStart(game_type="slot"))


CASES = (
    Case("gacha.pull", PULL, exists, lambda _, _uid: GachaPull(count=1)),
    Case("gacha.pull of ten", PULL, exists, lambda _, _uid: GachaPull(count=10)),
    Case("slot.spin", SPIN, exists, lambda _, _uid: SlotSpin(bet_amount=100)),
    Case("rps.play", PLAY, exists, lambda _, _uid: RpsPlay(player_move="ROCK", bet_amount=100)),
    Case("crash.bet", BET, exists, lambda _, _uid: CrashBet(bet_amount=100)),
    Case("crash.cashout", CASHOUT, has_bet, lambda bet, _uid: CrashCashout(game_id=bet.game_id)),
    Case(
        "crash.settle",
        SETTLE,
        has_bet,
        lambda bet, _uid: CrashSettle(game_id=bet.game_id),
        earlier_ms=HOUR_MS,
    ),
    Case("session.start", START, exists, lambda _, _uid: SessionStart(game_type="slot")),
    Case("session.end", END, has_session, lambda session, _uid: SessionEnd(session_id=session.session_id)),
    Case(
        "actions.record",
        RECORD,
        exists,
        lambda _, _uid: ActionsRecord(action_type="open_shop", action_data={"from": "lobby"}),
    ),
    Case("fairness.rotate", ROTATE, exists, lambda _, _uid: FairnessRotate()),
    Case(
        "rewards.distribute",
        DISTRIBUTE,
        exists,
        lambda _, uid: RewardsDistribute(
            user_id=uid, reward_type="TOKENS", amount=100, source_description="a benchmark"
        ),
    ),
)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server as `croupier up` runs it: with its log of writes."""
    with Valkey.start(tmp_path_factory.mktemp("bench")) as server:
        yield server


@pytest.fixture
def raw(valkey: Valkey) -> Iterator[RawConnection]:
    connection = RawConnection(Path(valkey.socket_path))
    yield connection
    connection.close()


@pytest.mark.benchmark(group="script at pipeline depth 32, rounds of 1,024 players")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_script_beside_the_floor(benchmark: Any, valkey: Valkey, raw: RawConnection, case: Case) -> None:
    recorded = asyncio.run(record(valkey, case))
    must_succeed(raw, recorded)
    floor = Floor(raw, last_event_bytes(raw))

    def before_round() -> None:
        floor.run()
        recorded.begin_again(raw)

    benchmark.pedantic(
        lambda: recorded.run(raw), setup=before_round, rounds=ROUNDS, iterations=1, warmup_rounds=2
    )
    command_s, floor_s = benchmark.stats.stats.median, statistics.median(floor.seconds)
    benchmark.extra_info |= {
        "calls_per_s": round(PLAYERS / command_s),
        "us_per_call": round(command_s / PLAYERS * 1e6, 1),
        "of_floor": round(floor_s / command_s, 3),
    }


@pytest.mark.benchmark(group="what the rate limit costs the pull, at pipeline depth 32")
def test_gacha_pull_beside_one_without_a_rate_limit(
    benchmark: Any, valkey: Valkey, raw: RawConnection, tmp_path: Path
) -> None:
    unlimited = asyncio.run(record(valkey, CASES[0], without_rate_limit(tmp_path)))
    limited = asyncio.run(record(valkey, CASES[0]))
    cpu_s: dict[str, list[float]] = {"unlimited": [], "limited": []}

    def timed(name: str, recorded: Recorded) -> None:
        before_s = server_cpu_s(raw)
        recorded.run(raw)
        cpu_s[name].append(server_cpu_s(raw) - before_s)

    def before_round() -> None:
        unlimited.begin_again(raw)
        timed("unlimited", unlimited)
        limited.begin_again(raw)

    benchmark.pedantic(
        lambda: timed("limited", limited),
        setup=before_round,
        rounds=3 * ROUNDS,
        iterations=1,
        warmup_rounds=2,
    )
    without_s, with_s = (statistics.median(cpu_s[name]) for name in ("unlimited", "limited"))
    benchmark.extra_info |= {"throughput_lost": round(1 - without_s / with_s, 3)}


def must_succeed(raw: RawConnection, recorded: Recorded) -> None:
    """What is timed are commands that do something."""
    recorded.begin_again(raw)
    replies: Any = raw.batch(recorded.calls[0], DEPTH)
    assert {(reply[0], bool(reply[1])) for reply in replies} == {(b"OK", True)}, replies[0]


def without_rate_limit(directory: Path) -> Scripts:
    """The product's scripts, but for the stage `rate_limit`, which lets everything through."""
    root = directory / "lua"
    shutil.copytree(Path(str(croupier_lua.ROOT)), root)
    stage = root / "include" / "rate_limit.lua"
    contract = "".join(
        line for line in stage.read_text("utf-8").splitlines(keepends=True) if line.startswith("--")
    )
    stage.write_text(contract + _RATE_LIMIT.replace("nil", "nil --[[<record>]]"), "utf-8")
    return Scripts(root)


def server_cpu_s(raw: RawConnection) -> float:
    """CPU time of the server's main thread, which other load on the machine does not add to."""
    info: Any = raw.call("INFO", "cpu")
    lines = dict(line.split(":") for line in info.decode().split() if ":" in line)
    return float(lines["used_cpu_user_main_thread"]) + float(lines["used_cpu_sys_main_thread"])
