"""A Prometheus of its own: the project's configuration and rules, aimed at a server on this machine."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from typing import Any, Final

from tests.cli.support import free_port
from tests.ops.promtool import find_program
from tests.ops.queries import PROMETHEUS, filled_in, read_yaml

SCRAPE_INTERVAL_S: Final = 1
STEP_S: Final = 2
"""Between two points of a line."""
_RATE_INTERVAL: Final = f"{max(STEP_S + SCRAPE_INTERVAL_S, 4 * SCRAPE_INTERVAL_S)}s"
"""What Grafana puts in place of `$__rate_interval`."""
_DEADLINE_S: Final = 60.0
_STOP_DEADLINE_S: Final = 20.0

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""Labels, and what was seen when: Unix times in seconds with values."""


class Prometheus:
    """The HTTP interface of a Prometheus that runs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def get(self, path: str, **parameters: object) -> Any:
        """What it answers under `data`."""
        query = urllib.parse.urlencode(parameters)
        with self._open(f"{self._url}{path}?{query}", timeout=30) as reply:
            return json.load(reply)["data"]

    def over(self, query: str, begin_s: float, end_s: float) -> list[Series]:
        """A query over a time, every `STEP_S`."""
        found = self.get(
            "query_range", query=filled_in(query, _RATE_INTERVAL), start=begin_s, end=end_s, step=STEP_S
        )
        return [
            (each["metric"], [(at, float(value)) for at, value in each["values"]]) for each in found["result"]
        ]

    def at(self, query: str, at_s: float) -> list[Series]:
        """A query at one moment."""
        found = self.get("query", query=filled_in(query, _RATE_INTERVAL), time=at_s)
        return [(each["metric"], [(each["value"][0], float(each["value"][1]))]) for each in found["result"]]

    def wait_for_scrapes(self) -> None:
        """Until every target has been scraped."""
        deadline_s = time.monotonic() + _DEADLINE_S
        while True:
            try:
                targets = self.get("targets")["activeTargets"]
                if targets and all(each["health"] == "up" for each in targets):
                    return
            except OSError:
                targets = []  # it does not listen yet
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"Prometheus does not scrape: {targets}")
            time.sleep(0.2)

    def faults(self) -> list[str]:
        """What is wrong with its targets and with its rules."""
        targets = self.get("targets")["activeTargets"]
        rules = [rule for group in self.get("rules")["groups"] for rule in group["rules"]]
        return [
            *(f"{each['scrapeUrl']}: {each['lastError']}" for each in targets if each["health"] != "up"),
            *(f"{each['name']}: {each['lastError']}" for each in rules if each["health"] != "ok"),
        ]


@contextmanager
def running_prometheus(directory: Path, target_port: int) -> Iterator[Prometheus]:
    """Prometheus with its data in `directory`, once it has scraped the server on that port of this machine.

    Raises RuntimeError where there is no program, or no scrape.
    """
    program = find_program("prometheus")
    if program is None:
        raise RuntimeError("no prometheus here: sh tests/ops/install_promtool.sh prometheus")
    port = free_port()
    directory.mkdir()
    file = directory / "prometheus.yml"
    file.write_text(json.dumps(_configuration(target_port, port)), "utf-8")  # JSON is YAML
    with (directory / "log").open("w") as log:
        process = Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
        )
        try:
            prometheus = Prometheus(port)
            prometheus.wait_for_scrapes()
            yield prometheus
        finally:
            process.terminate()
            process.wait(_STOP_DEADLINE_S)


def _configuration(target_port: int, own_port: int) -> Any:
    """The one in ops/, but for where the targets are, and how often they are asked."""
    configuration = read_yaml(PROMETHEUS / "prometheus.yml")
    interval = f"{SCRAPE_INTERVAL_S}s"
    configuration["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), interval
    )
    configuration["rule_files"] = [str(PROMETHEUS / "rules" / "*.yml")]
    croupier, itself = configuration["scrape_configs"]
    del croupier["dns_sd_configs"]
    croupier["static_configs"] = [{"targets": [f"127.0.0.1:{target_port}"]}]
    itself["static_configs"] = [{"targets": [f"127.0.0.1:{own_port}"]}]
    return configuration
