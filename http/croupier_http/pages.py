"""What the server says about itself: health, readiness, metrics, its own description."""

import os
import time
from importlib.metadata import version

import msgspec

from croupier.analytics.watch import OddsWatch
from croupier.errors import CroupierError
from croupier.gacha.queries import remaining_stock
from croupier.history import daily_remaining
from croupier.partition_state import heals
from croupier.postgres import is_away
from croupier.query import Sources
from croupier.sinks import SinkProgress, dead_letters, sink_progress, sinks_on
from croupier.transport import TransportError
from croupier_http import docs_page, metrics, openapi
from croupier_http.checks import ESSENTIAL, readiness
from croupier_http.endpoints import Page
from croupier_http.game_gauges import read_game_gauges
from croupier_http.odds_gauge import OddsGauge
from croupier_http.operations import PAGES
from croupier_http.replies import Answer
from croupier_schemas.economy import RARITIES, Tier

NO_POSTGRES = (
    "no DATABASE_URL: no history, no strict durability, and only what Redis' own append-only file keeps"
)
DETERMINISTIC = (
    "CROUPIER_DETERMINISTIC_SEED is set: every draw is known in advance, and requests may set the clock"
)
FORCED_RPS = "CASINO_RPS_DETERMINISTIC is set: rock, paper, scissors is not played by chance"

_encode = msgspec.json.Encoder().encode


class Pages:
    """The pages of one worker."""

    def __init__(self, sources: Sources, sampler: metrics.Sampler, odds_watch: OddsWatch) -> None:
        self._sources = sources
        self._sampler = sampler
        self._odds_watch = odds_watch
        self._started_s = time.monotonic()
        self._openapi = _encode(openapi.document())
        self._docs = docs_page.page(openapi.document()).encode()

    def endpoints(self) -> dict[str, Page]:
        """The pages by path, one for each of `PAGES`."""
        pages = {
            "/health": self.health,
            "/ready": self.ready,
            "/metrics": self.metrics,
            "/openapi.json": self.openapi,
            "/docs": self.docs,
        }
        return {page.path: Page(pages[page.path]) for page in PAGES}

    async def health(self) -> Answer:
        """Live: the process answers."""
        postgres = self._sources.postgres is not None
        return Answer(
            _encode(
                {
                    "status": "live",
                    "version": version("croupier"),
                    "uptime_s": round(time.monotonic() - self._started_s, 3),
                    "worker_pid": os.getpid(),
                    "postgres": postgres,
                    "deterministic": self._sources.engine.injected_clock is not None,
                    "warnings": self._warnings(),
                }
            )
        )

    def _warnings(self) -> list[str]:
        settings = self._sources.engine.settings
        warnings = {
            NO_POSTGRES: self._sources.postgres is None,
            DETERMINISTIC: bool(settings.deterministic_seed),
            FORCED_RPS: bool(settings.rps_deterministic),
        }
        return [warning for warning, holds in warnings.items() if holds]

    async def ready(self) -> Answer:
        """Ready: a pull would succeed; `degraded` where something else would not. Raises CroupierError NOT_READY."""
        checks = await readiness(self._sources)
        failed = [name for name, outcome in checks.items() if outcome != "ok"]
        if not ESSENTIAL.isdisjoint(failed):
            raise CroupierError(
                "NOT_READY", f"Not ready: {', '.join(failed)}.", retry_after_s=1, failed=failed, checks=checks
            )
        return Answer(
            _encode({"status": "degraded" if failed else "ready", "failed": failed, "checks": checks})
        )

    async def metrics(self) -> Answer:
        """Everything for Prometheus; what cannot be asked for right now is left out."""
        self._sampler.sample()
        state = metrics.StateGauges(
            await self._pools(),
            await self._daily(),
            await self._heals(),
            await self._sinks(),
            self._sources.engine.room,
            await self._dead_letters(),
        )
        game = await read_game_gauges(self._sources.engine)
        odds = OddsGauge(self._odds_watch.read())
        return Answer(metrics.exposition(state, game, odds), content_type=metrics.CONTENT_TYPE)

    async def openapi(self) -> Answer:
        """The description of the API for machines."""
        return Answer(self._openapi)

    async def docs(self) -> Answer:
        """The description of the API for people."""
        return Answer(self._docs, content_type="text/html; charset=utf-8", headers=docs_page.HEADERS)

    async def _pools(self) -> dict[str, dict[str, int]] | None:
        try:
            economy = (await self._sources.engine.views.in_force(0)).economy
            stocks = {name: await remaining_stock(self._sources, economy, name) for name in economy.banners}
        except (CroupierError, TransportError):
            return None
        return {
            banner: {rarity: left for rarity in RARITIES[:3] if (left := getattr(stock, rarity)) is not None}
            for banner, stock in stocks.items()
        }

    async def _daily(self) -> dict[Tier, int] | None:
        pool, engine = self._sources.postgres, self._sources.engine
        if pool is None:
            return None
        try:
            return await daily_remaining(pool, engine.zone.day(engine.now_ms()).number)
        except Exception as error:
            if not is_away(error):
                raise
            return None

    async def _sinks(self) -> list[SinkProgress]:
        pool, on = self._sources.postgres, sinks_on(self._sources.engine.settings)
        if pool is None or not on:
            return []
        try:
            return await sink_progress(pool, on)
        except Exception as error:
            if not is_away(error):
                raise
            return []

    async def _heals(self) -> dict[str, int] | None:
        pool = self._sources.postgres
        if pool is None:
            return None
        try:
            return await heals(pool)
        except Exception as error:
            if not is_away(error):
                raise
            return None

    async def _dead_letters(self) -> int | None:
        pool = self._sources.postgres
        if pool is None:
            return None
        try:
            return await dead_letters(pool)
        except Exception as error:
            if not is_away(error):
                raise
            return None
