"""A player at the play page: what a browser shows and complains of."""

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import ConsoleMessage, Locator, Page, Request, Response, expect

from croupier.fairness.seeds import MasterKeys
from croupier_cli.data_directory import read_secrets
from croupier_http.auth import make_token
from tests.cli.support import Up, ask
from tests.embedded.support import query
from tests.model.crash import crash_m100
from tests.model.fairness import rolls

ARTEFACTS = Path(__file__).parents[2] / ".artefacts"
DEADLINE_MS = 15_000

_WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`));
"""


class Visit:
    """A page that is open, and everything that was wrong with it: `problems` must be empty when it is closed."""

    def __init__(self, page: Page, up: Up, token: str, user: int) -> None:
        self.page = page
        self.problems: list[str] = []
        self.user = user
        self.token = token
        self._up = up
        self._refusals_expected: set[int] = set()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    async def open(self, address: str) -> None:
        """Load an address with the token in its fragment; for the play page, until it shows what a player has."""
        await self.page.add_init_script(_WATCH_POLICY)
        await self.page.goto(f"{address}#token={self.token}")

    def expect_refusals(self, *statuses: int) -> None:
        """Replies with these statuses are part of the test; 0 is a request that does not get through."""
        self._refusals_expected.update(statuses)

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=re.compile(name))

    async def go(self, view: str) -> None:
        """Choose a view from the navigation."""
        link = self.page.locator(f'#tabs a[href="#{view}"]')
        await link.click()
        await expect(link).to_have_attribute("aria-current", "page")

    async def require_live(self) -> None:
        """Wait until pushes arrive."""
        await expect(self.find("#link-text")).to_have_text("Live")

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """A request of the same player by another way."""
        return ask(self._up.ready["url"] + path, self.token, body)

    async def begin_with_a_round_that_lasts(self) -> None:
        """Choose a client seed with which the next crash round goes on until 10×, which takes over two minutes.

        No player could: it takes the server seed, which the test derives from the installation's master key.
        """
        keys = MasterKeys.parse(read_secrets(Path(self._up.ready["data_dir"]))["CROUPIER_MASTER_KEYS"])
        installation = await asyncio.to_thread(
            query, self._up.ready["database_url"], "SELECT id FROM installation"
        )
        seed = keys.seed(installation, self.user, generation=2).reveal()
        client_seed = next(
            text
            for text in map("lasting-{}".format, itertools.count())
            if crash_m100(rolls(seed, text, nonce=1, count=1)[0], cap=1_000) == 1_000
        )
        self.ask("/api/fairness/rotate", {"client_seed": client_seed})

    async def verified(self) -> Locator:
        """Reveal the seed in the verifier that is open, which must then find the outcome right."""
        verifier = self.find("#verifier")
        await expect(verifier.locator('[data-verdict="unrevealed"]')).to_be_visible()
        await verifier.get_by_role("button", name="Reveal the seed and verify").click()
        await expect(verifier.locator("[data-verdict]")).to_have_attribute("data-verdict", "verified")
        return verifier

    async def picture(self, name: str) -> None:
        """Keep a screenshot under `.artefacts/`."""
        ARTEFACTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True, animations="disabled")

    async def require_accessible(self) -> None:
        """axe-core finds nothing."""
        results = await Axe().run(self.page)
        assert results.violations_count == 0, results.generate_report()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if message.text.startswith("Failed to load resource"):
            return  # The browser's own line about a request, which `_answered` and `_failed` judge.
        if message.text.startswith("WebSocket connection to") and 0 in self._refusals_expected:
            return
        self.problems.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure == "net::ERR_ABORTED":
            return  # The page was left before the reply came.
        if 0 not in self._refusals_expected:
            self.problems.append(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._refusals_expected:
            self.problems.append(f"{response.status}: {response.request.method} {response.url}")


def token_for(up: Up, secret: str, user: int, **claims: Any) -> str:
    """A token that is good for the test."""
    return make_token(secret, user, claims.get("tier", "VIP"), claims.get("role", "user"), 3600)
