"""The sources of the pages, without Node and without a server: what Python can see in them, and what Chromium says.

`make check` runs this file.
"""

import re
from collections import Counter
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.files import DIRECTORY, PAGES, SITE, TYPES, serve_files

MODULES = sorted(DIRECTORY.glob("*/*.js"))
LINES_MAX = 400
IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]*)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:const|function\*?|class) (\w+)", re.MULTILINE)


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/|^\s*//.*?$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def imported(path: Path) -> list[tuple[Path, list[str]]]:
    """The files that a module imports from, and the names."""
    return [
        ((path.parent / place).resolve(), [name.strip() for name in names.split(",") if name.strip()])
        for names, place in IMPORT.findall(path.read_text("utf-8"))
    ]


def name_of(path: Path) -> str:
    return str(path.relative_to(DIRECTORY))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_given_a_module_then_it_says_what_it_is_for_and_uses_all_that_it_imports(path: Path) -> None:
    text, code = path.read_text("utf-8"), without_comments(path)

    assert text.startswith("/**")
    assert len(text.splitlines()) <= LINES_MAX
    assert max(map(len, text.splitlines())) <= 120
    assert "\t" not in text and not re.search(r"[ ]+$", text, re.MULTILINE)
    assert len(IMPORT.findall(code)) == len(re.findall(r"^import\b", code, re.MULTILINE))
    for place, names in imported(path):
        assert place in MODULES, place
        for name in names:
            assert len(re.findall(rf"\b{name}\b", code)) > 1, f"{name} is imported and not used"
    assert not re.search(r"\bvar \b|[^=!]==[^=]|!=[^=]|\bdebugger\b|console\.log|\balert\(", code)


def test_given_all_modules_then_every_export_is_used_somewhere_and_no_two_files_import_each_other() -> None:
    used = Counter(name for path in MODULES for _, names in imported(path) for name in names)
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py"))

    for path in MODULES:
        for name in EXPORT.findall(path.read_text("utf-8")):
            own = len(re.findall(rf"\b{name}\b", without_comments(path))) > 1
            assert used[name] or own or f".{name}(" in tests, f"{name_of(path)} exports {name} for nobody"
        for place, _ in imported(path):
            assert path not in [other for other, _ in imported(place)], (path, place)


@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*/*")), ids=name_of)
def test_given_a_file_of_a_page_then_it_names_no_other_host_and_does_nothing_that_the_policy_forbids(
    path: Path,
) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")

    assert path.suffix in TYPES
    assert not re.search(r"(https?:)?//[\w.-]+\.\w|@import|url\(", text)
    assert not re.search(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"setAttribute\(\s*[\"'](on|style)|javascript:|srcdoc", text)
    if path.suffix == ".html":
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|<iframe|<object|<embed", text)
        assert text.count('rel="stylesheet"') == 1
        assert len(re.findall(r'\sid="([^"]*)"', text)) == len(set(re.findall(r'\sid="([^"]*)"', text)))


@pytest.mark.parametrize("page", PAGES)
def test_given_a_page_then_the_elements_that_its_modules_ask_for_by_id_are_in_it(page: str) -> None:
    html = (DIRECTORY / page / "index.html").read_text("utf-8")
    ids = set(re.findall(r'\sid="([^"]*)"', html))

    for path in [*(DIRECTORY / page).glob("*.js"), *(DIRECTORY / "shared").glob("*.js")]:
        asked = set(re.findall(r'byId\("([^"]+)"\)', path.read_text("utf-8")))
        assert asked <= ids, path
    referred = re.findall(r'\s(?:for|aria-labelledby|aria-controls|href)="#?([\w-]+)"', html)
    views = {each for each in referred if each not in ids and not each.startswith("web")}
    assert not views, views


@pytest.mark.asyncio(loop_scope="session")
async def test_given_both_pages_when_chromium_links_their_modules_then_nothing_is_wrong_and_none_is_left_over(
    browser: Browser,
) -> None:
    problems: list[str] = []
    loaded: set[Path] = set()
    for name in PAGES:
        page = await (await browser.new_context()).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        asked = await serve_files(page)
        await page.goto(f"{SITE}/{name}")
        await page.locator("#signin").wait_for()
        loaded |= asked
        await page.context.close()

    assert problems == []
    assert set(MODULES) <= loaded, set(MODULES) - loaded
