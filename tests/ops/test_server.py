"""What a server that is played on answers at /metrics is what the rules and dashboards take for granted."""

import re
from typing import Final

from tests.http.support import PULL, running, settings_for, token
from tests.ops.exported import series
from tests.ops.promtool import promtool

NOT_OURS: Final = re.compile(r"(python|process)_|.*_created$")
_SAMPLE: Final = re.compile(r"^([a-z_]+)(?:\{(.*)\})? \S+$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="(?:\\.|[^"\\])*"')


async def test_given_a_server_that_was_played_on_when_asked_then_its_metrics_are_clean_and_those_that_queries_may_name(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url, stranger_rate_per_second=1)) as client:
        await client.post(PULL, {"count": 1}, key="same")
        await client.post(PULL, {"count": 1}, key="same")
        await client.post("/api/games/crash/bet", {"bet_amount": 100}, bearer=token(7))
        for _ in range(3):
            await client.get("/api/no/such/page", bearer="")
        shown = (await client.get("/metrics", bearer=token(role="admin"))).body.decode()

    known = series()
    ours = [(name, labels) for name, labels in _SAMPLE.findall(shown) if not NOT_OURS.match(name)]
    assert {"game_commands_total", "game_rate_limit_hits_total", "test_mode"} <= {name for name, _ in ours}
    for name, labels in ours:
        assert frozenset(_LABEL.findall(labels)) == known[name], name
    promtool("check", "metrics", stdin=shown)
