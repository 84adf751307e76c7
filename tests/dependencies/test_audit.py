"""What `make audit` makes of the answers of pip-audit."""

from tests.dependencies.audit import verdict

CLEAN = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
UNKNOWN = {"name": "hiredis", "skip_reason": "Dependency not found"}
BAD = {"name": "msgspec", "version": "0.20", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.21"]}]}


def test_given_a_vulnerability_then_it_is_named_and_the_audit_fails() -> None:
    code, lines = verdict([CLEAN, BAD], strict=False)
    assert code == 1
    assert lines == ["msgspec 0.20: PYSEC-1, mended in 0.21", "2 of 2 dependencies audited"]


def test_given_a_dependency_that_the_service_does_not_know_then_only_the_strict_audit_fails() -> None:
    assert verdict([CLEAN, UNKNOWN], strict=False)[0] == 0
    code, lines = verdict([CLEAN, UNKNOWN], strict=True)
    assert code == 2
    assert lines == ["1 of 2 dependencies audited", "not known to the service: hiredis"]


def test_given_nothing_to_say_then_the_audit_passes() -> None:
    assert verdict([CLEAN], strict=True) == (0, ["1 of 1 dependencies audited"])
