"""Servers to load, and `croupier load` against them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from croupier.economy import canonical, load_economy
from croupier_schemas.economy import BALANCE_MAX, DailyLimit
from tests.cli.support import Outcome, croupier, environment
from tests.http.support import SECRET, Client, token


def generous_economy(directory: Path) -> Path:
    """An economy in which nobody is limited or runs out of tokens."""
    economy = load_economy()
    limit = DailyLimit(STANDARD=10_000, PREMIUM=10_000, VIP=10_000)
    file = directory / "economy.json"
    file.write_bytes(
        canonical(
            replace(
                economy,
                initial_tokens=BALANCE_MAX // 2,
                gacha=replace(economy.gacha, daily_limit=limit),
                rate_limit=replace(economy.rate_limit, mode="shadow"),
            )
        )
    )
    return file


async def load(url: str, *arguments: str) -> Outcome:
    """Run `croupier load` to its end, while the server, which may be in this process, answers."""
    env = environment(JWT_SECRET_KEY=SECRET)
    return await asyncio.to_thread(lambda: croupier("load", "--url", url, *arguments, env=env))


async def loaded(url: str, *arguments: str, exit_code: int = 0) -> Any:
    """The result of a load, whose counts must add up."""
    outcome = await load(url, "--json", *arguments)
    assert outcome.exit_code == exit_code, outcome
    result = json.loads(outcome.stdout)
    assert_adds_up(result)
    return result


def assert_adds_up(result: Any) -> None:
    """Every request has one outcome, every scenario's requests are in the total, and latencies are in their order."""
    total, scenarios = result["total"], result["scenarios"].values()
    not_sent = total["by_code"].get("errors", {}).get("not sent", 0)
    assert total["requests"] == sum(each["requests"] for each in scenarios) + not_sent
    for figures in (total, *scenarios):
        outcomes = ("done", "limited", "refused", "errors")
        assert figures["requests"] == sum(figures[outcome] for outcome in outcomes)
        for outcome in outcomes[1:]:
            assert figures[outcome] == sum(figures["by_code"].get(outcome, {}).values())
        latencies = list(figures["latency_ms"].values())
        assert latencies == sorted(latencies)
    assert result["error_share"] == (total["errors"] / total["requests"] if total["requests"] else 0)


async def draws(client: Client, *uids: int) -> int:
    """How many items these players have drawn, as the server says."""
    replies = [await client.get("/api/games/gacha/stats", bearer=token(uid)) for uid in uids]
    return sum(reply.json["draws"] for reply in replies)
