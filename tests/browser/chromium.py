"""The browser of these tests: Debian's Chromium, which `make test` installs where it may."""

import os
import shutil

_NAMES = ("chromium", "chromium-browser", "google-chrome")

MISSING = "no Chromium on this machine, so the pages were not tried in a browser: apt-get install chromium"


def executable() -> str | None:
    """Path of the browser, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def arguments() -> list[str]:
    """Chromium refuses to run as root in its sandbox."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
