"""Secrets that somebody may guess, and random ones, which pass."""

import base64
import random
import re
import secrets
from pathlib import Path

import pytest

from croupier.settings import Settings, SettingsError
from croupier.signing_secret import why_guessable

ROOT = Path(__file__).parents[2]
WEAK = {
    "x" * 64: "different characters",
    "abcd" * 16: "different characters",
    "0123456789abcdef" * 2: "repeated",
    "Jh7-qP2xLw9!" * 3: "repeated",
    "abcdefghijklmnopqrstuvwxyz012345": "alphabet",
    "zyxwvutsrqponmlkjihgfedcba987654": "alphabet",
    "aaaaaaaaaaaaaaaabcdefghijqwertyu": "alphabet",
    "please-change-me-please-change-it": "well-known",
    "my_super_secret_key_of_production": "well-known",
    "P@ssword-password-Password-2026-!": "well-known",
    "a-string-secret-at-least-256-bits-long": "well-known",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "well-known",
}


@pytest.mark.parametrize(("secret", "why"), WEAK.items())
def test_given_a_secret_that_can_be_guessed_when_read_then_refused_without_showing_it(
    secret: str, why: str
) -> None:
    with pytest.raises(SettingsError, match=f"^JWT_SECRET_KEY .*{why}") as caught:
        Settings.from_environment({"JWT_SECRET_KEY": secret})
    assert secret not in str(caught.value)


@pytest.mark.parametrize("secret", WEAK)
def test_given_deterministic_mode_when_a_weak_secret_is_read_then_it_will_do(secret: str) -> None:
    environment = {"JWT_SECRET_KEY": secret, "CROUPIER_DETERMINISTIC_SEED": "t"}
    assert Settings.from_environment(environment).jwt_secret_key == secret


def test_given_deterministic_mode_when_a_short_secret_is_read_then_refused_all_the_same() -> None:
    with pytest.raises(SettingsError, match="fewer than 32 bytes"):
        Settings.from_environment({"JWT_SECRET_KEY": "k" * 31, "CROUPIER_DETERMINISTIC_SEED": "t"})


def test_given_random_secrets_of_any_usual_form_when_looked_at_then_none_is_refused() -> None:
    drawn = random.Random(1)
    for _ in range(2_000):
        data = drawn.randbytes(32)
        forms = (
            data.hex(),
            data.hex()[:32],
            base64.b64encode(data).decode(),
            base64.urlsafe_b64encode(data).decode(),
        )
        assert [form for form in forms if why_guessable(form)] == []
    assert why_guessable(secrets.token_hex(32)) == ""


def test_given_a_value_that_our_documents_show_when_read_then_refused() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for value in re.findall(r"JWT_SECRET_KEY=([^\s`'\"$]+)", page.read_text("utf-8")):
            with pytest.raises(SettingsError):
                Settings.from_environment({"JWT_SECRET_KEY": value})
