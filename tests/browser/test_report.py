"""The page of `croupier report` in a browser: it loads nothing, axe-core finds nothing, and nothing is cut off."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser

from croupier_cli.report.page import page as report
from tests.analytics.sample import sample

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report(sample()), "utf-8")
    return path


@pytest.mark.parametrize("look", LOOKS)
async def test_given_a_report_when_it_is_opened_then_it_asks_nobody_and_is_accessible(
    browser: Browser, file: Path, look: str
) -> None:
    context = await browser.new_context(**LOOKS[look])
    page = await context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))

    await page.goto(file.as_uri())
    for summary in await page.locator("summary").all():
        await summary.click()

    assert asked == [file.as_uri()] and said == []
    width, shown = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= shown
    assert await page.locator("svg[role=img]").count() == 8
    # The drawings have the colours of the scheme.
    bar = page.locator("#activity svg path[style*='--first']").first
    colour = await bar.evaluate("element => getComputedStyle(element).fill")
    assert colour == ("rgb(31, 92, 139)" if look == "light" else "rgb(143, 195, 236)")
    results = await Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    await context.close()
