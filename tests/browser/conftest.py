"""A whole installation and a browser, once per process of the test run; a new player, in a new context, per test."""

import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from croupier.economy import load_economy
from croupier_cli.data_directory import read_secrets
from tests.browser.chromium import MISSING, arguments, executable
from tests.browser.visit import DEADLINE_MS, Visit, token_for
from tests.browser.wire import Wire
from tests.cli.support import Up, running_up

PREMIUM_PER_MINUTE = 3
"""So few commands a minute may a PREMIUM player give here, so that a test meets the limit."""

Open = Callable[..., Awaitable[Visit]]
Operator = Callable[..., Awaitable[Visit]]

_users = itertools.count(1_000)


@pytest.fixture(scope="session")
def installation() -> Iterator[Up]:
    """`croupier up` with Valkey, Postgres, a worker and the sync daemon; tests leave it running."""
    if executable() is None:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="croupier-web-") as name:
        economy = Path(name) / "economy.json"
        economy.write_text(json.dumps(_economy()))
        with running_up(Path(name) / "data", CROUPIER_ECONOMY=str(economy)) as up:
            yield up
            up.stop()


def _economy() -> dict[str, Any]:
    """The default economy, but for a rate limit."""
    economy: dict[str, Any] = msgspec.to_builtins(load_economy())
    economy["rate_limit"]["games"]["PREMIUM"] = {
        "per_second": PREMIUM_PER_MINUTE,
        "per_minute": PREMIUM_PER_MINUTE,
    }
    return economy


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    path = executable()
    if path is None:
        pytest.skip(MISSING)
    expect.set_options(timeout=DEADLINE_MS)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=arguments())
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def wire(installation: Up) -> AsyncIterator[Wire]:
    """A wire to the installation's worker, mended."""
    wire = Wire(installation.port)
    await wire.mend()
    yield wire
    await wire.cut()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(installation: Up, browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens pages, each for a player of its own; none of them may have a problem, and a picture of each is kept.

    `claims` of the token are `tier` and `role`; `url` is another address of the server; further arguments are those of
    Playwright's `new_context`.
    """
    visits: list[Visit] = []
    secret = read_secrets(Path(installation.ready["data_dir"]))["JWT_SECRET_KEY"]

    async def open_page(
        path: str = "/play", *, url: str | None = None, claims: dict[str, str] | None = None, **context: Any
    ) -> Visit:
        page = await (await browser.new_context(**context)).new_page()
        page.set_default_timeout(DEADLINE_MS)
        user = next(_users)
        each = Visit(page, installation, token_for(installation, secret, user, **(claims or {})), user)
        visits.append(each)
        await each.open((url or installation.ready["url"]) + path)
        return each

    yield open_page
    for place, each in enumerate(visits):
        await each.picture(f"{request.node.name}-{place}".translate(_NOT_IN_FILE_NAMES)[:120])
        await each.page.context.close()
    assert [problem for each in visits for problem in each.problems] == []


@pytest.fixture
def operator(visit: Open) -> Operator:
    """Opens a panel of the console as an operator."""

    async def open_console(panel: str = "overview", **options: Any) -> Visit:
        each = await visit("/console", claims={"role": "admin"}, **options)
        await expect(each.find("#panels")).to_be_visible()
        await each.go(panel)
        return each

    return open_console


@pytest_asyncio.fixture(loop_scope="session")
async def player(visit: Open) -> Visit:
    """A player, whose page is not looked at."""
    return await visit("/health")


_NOT_IN_FILE_NAMES = str.maketrans("/[]: ", "_____")
