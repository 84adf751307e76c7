"""Which environment variables there are."""

import re
from pathlib import Path

import pytest

from croupier.environment import PREFIX, PROGRAMS, unknown_variables
from croupier.settings import Settings, SettingsError
from croupier_cli.embedded import kafka, postgres, valkey
from croupier_http.worker import CONTROL_VARIABLE

ROOT = Path(__file__).parents[2]
SETTINGS = Settings.__struct_encode_fields__


def refused(**environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    return caught.value.problems


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CROUPIER_WORKER", "CROUPIER_WORKERS"),
        ("CROUPIER_PORT", "CROUPIER_HTTP_PORT"),
        ("CROUPIER_REDIS_URL", "REDIS_URL"),
        ("CROUPIER_JWT_SECRET", "JWT_SECRET_KEY"),
        ("CROUPIER_VALKEY_BIN", "CROUPIER_VALKEY_BINARY"),
    ],
)
def test_given_a_variable_that_means_nothing_when_read_then_refused_with_the_nearest_one(
    name: str, nearest: str
) -> None:
    assert refused(**{name: "secret"}) == (f"{name} is no setting; the nearest one is {nearest}",)


def test_given_a_variable_like_no_other_when_read_then_refused_with_where_to_look() -> None:
    assert refused(CROUPIER_QQQQ="1") == (
        "CROUPIER_QQQQ is no setting; `croupier config` lists those there are",
    )


def test_given_an_unknown_variable_that_is_empty_or_of_another_program_when_read_then_it_does_not_matter() -> (
    None
):
    assert Settings.from_environment({"CROUPIER_WORKER": "", "CASINO_X": "1", "CROUPIERS": "3"}) == Settings()


def test_given_several_problems_when_read_then_all_are_found_and_the_message_counts_them() -> None:
    environment = {
        "CROUPIER_WORKER": "1",
        "CROUPIER_HTTP_PORT": "eighty",
        "CROUPIER_DAY_ZONE": "Mars/Olympus",
    }
    problems = refused(**environment)
    assert [problem.replace(":", " ").split()[0] for problem in problems] == [
        "CROUPIER_WORKER", "CROUPIER_HTTP_PORT", "CROUPIER_DAY_ZONE",
    ]  # fmt: skip
    assert str(SettingsError(*problems)) == f"{problems[0]} (2 more: `croupier config` lists them)"


def test_given_every_variable_that_this_project_names_then_it_is_known() -> None:
    files = [
        path
        for directory in (
            "engine",
            "lua",
            "http",
            "sync",
            "schemas",
            "cli",
            "client",
            "bench",
            "tests",
            "docs",
        )
        for path in (ROOT / directory).rglob("*")
        if path.suffix in {".py", ".sh", ".md", ".toml", ".yml"} and path != Path(__file__)
    ]
    # A name that is made up for a test of refusals ends in one of these.
    made_up = {"CROUPIER_WORKER"}
    named = {
        name
        for path in [*files, ROOT / "Makefile", ROOT / "README.md"]
        for name in re.findall(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    assert unknown_variables(dict.fromkeys(named - made_up, "1"), SETTINGS) == []
    assert len(named) > 30


def test_given_the_variables_that_are_no_settings_then_their_names_are_those_in_use() -> None:
    used = {kafka.BINARY_VARIABLE, postgres.BIN_DIR_VARIABLE, valkey.BINARY_VARIABLE}
    assert set(PROGRAMS) == used
    assert unknown_variables({CONTROL_VARIABLE: "3"}, SETTINGS) == []
