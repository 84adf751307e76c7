"""What the exit codes of `croupier` say."""

from typing import Final

DONE: Final = 0
CHECK_FAILED: Final = 1
"""A check found a problem, or a part that should have kept running ended."""
CANNOT_RUN: Final = 2
"""The command cannot run as asked; one line on standard error says why."""
BUDGET_EXCEEDED: Final = 3
"""A load had more errors than its budget allows."""
