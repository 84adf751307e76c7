"""The report of the benchmarks: what it writes into a page, and what it calls worse."""

import shutil
from pathlib import Path

import pytest

from bench.report import main
from bench.reporting.blocks import BLOCKS
from bench.reporting.figures import FIGURES
from bench.reporting.plots import plots
from bench.reporting.saved import read
from bench.reporting.tables import blocks_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OLD, NEW = HERE / "old.json", HERE / "new.json"
ON = "<sub>2 cores, Linux x86_64, Python 3.11.2, Valkey 9.1.2, embedded, 2026-01-02</sub>"

PAGE = """# A page

By hand.

<!-- scripts:begin -->
Of an earlier run.
<!-- scripts:end -->
<!-- players:begin -->
<!-- players:end -->
<!-- http:begin -->
<!-- http:end -->
<!-- transport:begin -->
<!-- transport:end -->
<!-- pull-parts:begin -->
<!-- pull-parts:end -->
<!-- http-workers:begin -->
<!-- http-workers:end -->
<!-- websocket:begin -->
<!-- websocket:end -->
<!-- sync:begin -->
Not measured this time.
<!-- sync:end -->

More by hand.
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.md"
    file.write_text(PAGE)
    return file


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Two runs as pytest-benchmark keeps them."""
    directory = tmp_path / "saved"
    (directory / "Linux").mkdir(parents=True)
    for number, run in enumerate((OLD, NEW), 1):
        shutil.copy(run, directory / "Linux" / f"{number:04}_run.json")
    return directory


def test_given_a_saved_run_when_reported_then_its_blocks_hold_its_tables_and_the_rest_is_as_it_was(
    page: Path, saved: Path
) -> None:
    assert main(["--saved", str(saved), "--page", str(page)]) == 0

    text = page.read_text()
    scripts = f"""<!-- scripts:begin -->
| command | calls/s | us per call | of its floor |
| --- | --- | --- | --- |
| gacha.pull | 60,000 | 16.7 | 0.40 (goal >= 0.42) |
| slot.spin | 52,838 | 18.9 | 0.42 |

{ON}
<!-- scripts:end -->
"""
    assert scripts in text
    assert "| 26,000 |" not in text
    assert "| 17,000 | 9,000 | **0.53** (goal >= 0.52) | 90.0 |  |  |" in text
    assert "| 1,000,000 |  |  | 1.30 (goal <= 1.15) | **490** (goal <= 500) |  |" in text
    assert "| 64, redis-py | 26,900 | 37.0 | **4.6** (goal >= 3) | **10.0** (goal >= 8) |" in text
    assert "<!-- sync:begin -->\nNot measured this time.\n<!-- sync:end -->" in text
    assert text.startswith("# A page\n\nBy hand.\n")
    assert text.endswith("\n\nMore by hand.\n")
    assert "Of an earlier run." not in text


def test_given_the_page_of_a_run_when_reported_again_then_nothing_changes(page: Path, saved: Path) -> None:
    arguments = ["--saved", str(saved), "--page", str(page)]
    main(arguments)
    written = {file.name: file.read_bytes() for file in (page, *page.with_suffix("").iterdir())}

    main(arguments)

    assert {file.name: file.read_bytes() for file in (page, *page.with_suffix("").iterdir())} == written
    assert set(written) == {"page.md", "scripts.svg", "transport.svg", "http.svg"}


def test_given_a_run_when_drawn_twice_then_the_plots_are_alike_and_name_no_moment() -> None:
    first, second = plots(read(NEW)), plots(read(NEW))

    assert first == second
    assert "gacha.pull" in first["scripts.svg"]
    assert "redis-py" in first["transport.svg"]
    assert all(svg.count("<metadata>") == svg.count("dc:date") == 0 for svg in first.values())


def test_given_a_run_of_a_part_when_drawn_then_only_plots_whose_figures_it_has() -> None:
    assert plots(read(OLD)) == {}


def test_given_two_runs_when_compared_then_ratios_worse_by_more_than_a_tenth_are_listed_with_old_and_new(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--saved", str(saved), "--no-page"]) == 0

    printed = capsys.readouterr().out
    listed = [line.split("  ") for line in printed.splitlines()[-2:]]
    assert [[cell.strip() for cell in line if cell.strip()] for line in listed] == [
        ["players, many players beside few", "time beside 1 thousand", "1.10", "1.30", "18%"],
        ["scripts, gacha.pull", "of its floor", "0.45", "0.40", "11%"],
    ]
    assert "3 benchmarks are in the run before too." in printed


def test_given_a_worse_ratio_when_strict_then_the_exit_code_says_so(saved: Path) -> None:
    assert main(["--saved", str(saved), "--no-page", "--strict"]) == 1
    assert main(["--run", str(OLD), "--before", str(OLD), "--no-page", "--strict"]) == 0


def test_given_no_saved_run_when_reported_then_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--saved", str(tmp_path)]) == 2
    assert "has no saved run" in capsys.readouterr().err


def test_given_a_page_without_a_block_when_reported_then_it_is_named(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text(PAGE.replace("scripts:", "other:"))

    assert main(["--run", str(NEW), "--page", str(page)]) == 2

    assert "for scripts" in capsys.readouterr().err


def test_given_the_page_of_the_project_then_its_blocks_are_those_of_the_report() -> None:
    blocks = blocks_of((ROOT / "docs" / "performance.md").read_text())

    assert sorted(blocks) == sorted(block.name for block in BLOCKS)


def test_given_the_tables_then_each_has_a_benchmark_and_each_ratio_a_direction() -> None:
    suites = "".join(file.read_text() for file in (ROOT / "bench").glob("test_*.py"))
    figures = {name for block in BLOCKS for name in block.figures}

    assert [block.test for block in BLOCKS if f"def {block.test}(" not in suites] == []
    assert [name for name in figures if f'"{name}"' not in suites and f"{name}=" not in suites] == [], (
        "nobody measures these"
    )
    assert [name for name in figures if name.startswith("of_") and not FIGURES[name].better] == []
