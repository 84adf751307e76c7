"""The pages' own files in a browser without a server."""

from pathlib import Path

from playwright.async_api import Page, Request, Route

from croupier_http import web

DIRECTORY = Path(web.__file__).parent
PAGES = ("play", "console")
SITE = "https://pages.test"
"""An address of no host. By https, since browsers offer their cryptography there only."""

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


async def serve_files(page: Page) -> set[Path]:
    """Let `page` find the pages at `SITE`, under the policy of the server. The files that it has asked for so far."""
    asked: set[Path] = set()

    async def serve(route: Route, request: Request) -> None:
        place = request.url.removeprefix(f"{SITE}/")
        path = DIRECTORY / (f"{place}/index.html" if place in PAGES else place.removeprefix("web/v/"))
        asked.add(path)
        body = path.read_text("utf-8").replace("{version}", "v")
        headers = {"Content-Security-Policy": web.POLICY, "Content-Type": TYPES[path.suffix]}
        await route.fulfill(body=body, headers=headers)

    await page.route(f"{SITE}/**", serve)
    return asked
