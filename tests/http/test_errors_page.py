"""`docs/errors.md` is what the code says."""

from pathlib import Path

from croupier_http.errors import errors_page
from croupier_schemas.errors import ERRORS

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def test_given_the_error_codes_when_the_page_is_generated_then_it_is_the_committed_one() -> None:
    hint = "python -c 'from croupier_http.errors import errors_page; print(errors_page(), end=\"\")' > docs/errors.md"

    assert PAGE.read_text("utf-8") == errors_page(), f"run: {hint}"


def test_given_the_page_when_read_then_every_code_has_one_section_with_status_and_advice() -> None:
    page = errors_page()

    for kind in ERRORS.values():
        _, _, section = page.partition(f"\n## {kind.code}\n")
        section = section.partition("\n## ")[0]
        assert f"Status: {kind.status}" in section
        assert kind.retry in section
        assert page.count(f"\n## {kind.code}\n") == 1
