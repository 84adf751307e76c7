"""Shows under the tables of times what else each benchmark has measured."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    measured = [each for each in config._benchmarksession.benchmarks if each.extra_info]
    if measured:
        terminalreporter.section("figures")
    for each in measured:
        terminalreporter.write_line(each.name)
        terminalreporter.write_line(
            "  " + ", ".join(f"{name} {value}" for name, value in each.extra_info.items())
        )
