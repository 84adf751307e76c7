"""What makes a secret of HS256 one that can be guessed. Whoever guesses it makes tokens of administrators."""

import re
from itertools import pairwise
from typing import Final

SECRET_BYTES_MIN: Final = 32
"""RFC 7518, section 3.2: a key of HS256 is at least as long as the hash."""

_DISTINCT_MIN: Final = 8
"""32 random hexadecimal digits have fewer different ones once in 25 million times (16 over 7, times (7/16)**32)."""

_PUBLISHED: Final = frozenset(
    {
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # a tutorial of FastAPI
        "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",  # tutorials of Spring
        "astringsecretatleast256bitslong",  # the form at jwt.io
    }
)
"""Values from tutorials that are found in many installations, in lower case, letters and digits only."""

_PLACEHOLDERS: Final = (
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "yoursecret",
    "your256bitsecret",
    "yourjwtsecret",
    "secretkey",
    "supersecret",
    "password",
    "placeholder",
    "example",
    "insecure",
    "keyboardcat",
)
"""Parts of values that are there to be replaced, spelled as above."""


def why_short(secret: str) -> str:
    """Why it is too short to protect anything; empty where it is not."""
    return f"has fewer than {SECRET_BYTES_MIN} bytes" if len(secret.encode()) < SECRET_BYTES_MIN else ""


def why_guessable(secret: str) -> str:
    """Why somebody may guess it, without any part of it; empty where nothing is known against it."""
    spelled = re.sub(r"[^a-z0-9]", "", secret.lower())
    if spelled in _PUBLISHED or any(part in spelled for part in _PLACEHOLDERS):
        return "is a well-known value, or one that was there to be replaced"
    if len(set(secret)) < _DISTINCT_MIN:
        return f"has fewer than {_DISTINCT_MIN} different characters"
    if secret in (secret + secret)[1:-1]:
        return "is a shorter text, repeated"
    if _steps(secret) * 2 > len(secret):
        return "goes along the alphabet"
    return ""


def _steps(secret: str) -> int:
    """How many characters are the one before, or next to it in the alphabet."""
    return sum(abs(ord(a) - ord(b)) <= 1 for a, b in pairwise(secret))
