"""The names of operations, and the pages that the server has besides commands and queries."""

import re
from typing import Final, NamedTuple

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def operation_id(path: str) -> str:
    """`/api/games/gacha/pull` is `games_gacha_pull_v1`; a placeholder counts as its name."""
    return "_".join(re.findall(r"\w+", path.removeprefix("/api/"))) + "_v1"


def placeholders(path: str) -> list[str]:
    """The `{names}` in a path, in order."""
    return _PLACEHOLDER.findall(path)


def path_pattern(path: str) -> re.Pattern[str]:
    """A pattern for the paths that such a path stands for: each placeholder is one segment, and a group of its name."""
    parts = _PLACEHOLDER.split(path)
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    )


class PageRoute(NamedTuple):
    """A page that anyone may get."""

    path: str
    summary: str
    content_type: str
    errors: tuple[str, ...] = ()


PAGES: Final = (
    PageRoute("/health", "Whether this process is alive", "application/json"),
    PageRoute("/ready", "Whether a pull would succeed, and if not, why", "application/json", ("NOT_READY",)),
    PageRoute("/metrics", "Metrics of all workers, for Prometheus", "text/plain"),
    PageRoute("/openapi.json", "This description", "application/json", ("RATE_LIMITED",)),
    PageRoute("/docs", "This description, for people", "text/html", ("RATE_LIMITED",)),
)
