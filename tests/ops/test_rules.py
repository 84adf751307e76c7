"""The rules of Prometheus: sound, tested by its own program, and each alert explained in the documents."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from croupier_cli.main import app
from tests.ops.promtool import promtool
from tests.ops.queries import DASHBOARDS, PROMETHEUS, ROOT, RULES, filled_in, queries, read_yaml, rules

CASES: Final = sorted((Path(__file__).parent / "rules").glob("*.yml"))
ALERTS: Final = rules("alert")


def firings(case: dict[str, Any]) -> list[tuple[str, bool]]:
    """The alerts that a case asks for, and whether they fire there."""
    return [(asked["alertname"], bool(asked["exp_alerts"])) for asked in case.get("alert_rule_test", [])]


def test_given_the_configuration_when_checked_then_prometheus_takes_it_and_its_rules() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")
    promtool("check", "rules", *RULES)


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_given_series_of_metrics_when_the_rules_are_evaluated_then_alerts_fire_when_they_should(
    cases: Path,
) -> None:
    promtool("test", "rules", cases)


def test_given_a_rule_that_is_wrong_when_the_cases_are_run_then_they_fail(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "ops/prometheus/rules")
    shutil.copytree(CASES[0].parent, tmp_path / "tests/ops/rules")
    rule = tmp_path / "ops/prometheus/rules/game.yml"
    right = rule.read_text("utf-8")
    assert "remaining:min < 0\n" in right
    rule.write_text(right.replace("remaining:min < 0\n", "remaining:min < -1\n"), "utf-8")

    with pytest.raises(AssertionError, match="CroupierPoolNegative"):
        promtool("test", "rules", tmp_path / "tests/ops/rules/game.yml")


def test_given_every_alert_then_a_case_sees_it_fire_and_another_one_sees_it_quiet() -> None:
    seen = {seen for path in CASES for case in read_yaml(path)["tests"] for seen in firings(case)}

    assert seen == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


def test_given_every_query_of_every_panel_when_checked_then_prometheus_can_read_it(tmp_path: Path) -> None:
    recorded = [
        {"record": f"query:{number}", "expr": filled_in(query.text, "1m")}
        for number, query in enumerate(queries())
    ]
    groups = {"groups": [{"name": "queries", "rules": recorded}]}
    (tmp_path / "queries.yml").write_text(json.dumps(groups), "utf-8")

    assert f"{len(recorded)} rules found" in promtool("check", "rules", tmp_path / "queries.yml")
    assert len(DASHBOARDS) == 5


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_given_an_alert_then_it_says_how_bad_it_is_what_it_saw_and_where_to_read_on(
    rule: dict[str, Any],
) -> None:
    said = rule["annotations"]
    page, _, anchor = said["runbook_url"].partition("#")

    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(said) == {"summary", "description", "runbook_url"}
    assert (
        "$value" in said["description"]
        or rule["expr"].startswith(("absent(", "up{"))
        or "unless" in rule["expr"]
    )
    assert anchor == rule["alert"].lower()
    assert f"\n### {rule['alert']}\n" in (ROOT / page).read_text("utf-8")


def test_given_the_page_of_alerts_then_it_has_exactly_those_that_there_are_each_with_what_to_do() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))

    assert sorted(sections) == sorted(rule["alert"] for rule in ALERTS)
    for name, text in sections.items():
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in text, (name, part)
    severities = dict(re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (\w+) \|", page, re.MULTILINE))
    assert severities == {rule["alert"]: rule["labels"]["severity"] for rule in ALERTS}


@pytest.mark.parametrize("page", ["alerts.md", "operating/containers.md"])
def test_given_a_page_for_operators_then_the_commands_of_croupier_in_it_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    named = re.findall(r"(?:`|serve )croupier ([a-z]+)(?: ([a-z]+))?", text)
    assert named

    for name, below in named:
        assert name in app, name
        below_it = [each for each in app[name] if not each.startswith("-")]
        assert not below_it or below in below_it, (name, below)
