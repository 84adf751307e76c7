"""The histories that a durable system must be safe from, each with the mutations that stand for it."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.mutants.catalogue import MUTATIONS

HISTORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "the strict waiter released by a later cursor though its event was lost": (
        "strict-released-by-a-later-cursor",
        "strict-released-by-another-event",
    ),
    "a retry after DURABILITY_TIMEOUT answered from Redis alone": ("strict-retry-answered-from-redis",),
    "a notice lost in a reconnect": ("notice-lost-in-a-reconnect",),
    "a notice before the reply": ("notice-before-the-reply",),
    "a batch in flight while the healer opens a new epoch": ("batch-in-flight-into-a-sealed-epoch",),
    "replay over a forked state": ("replayed-over-forked-state", "fork-followed"),
    "seq reused after A -> B -> A": ("seq-reused-after-a-b-a", "forks-compared-by-number"),
    "trimming before commit": ("trimmed-before-the-commit", "trimmed-beyond-the-cursor"),
    "a wrong or older Postgres": (
        "wrong-postgres-accepted",
        "older-postgres-accepted",
        "empty-postgres-accepted",
    ),
    "a reward key expired before it was synced": ("reward-key-expires-before-it-is-synced",),
    "'not applied' said of a call still in a socket": (
        "not-applied-said-of-a-call-in-a-socket",
        "not-applied-said-in-an-open-epoch",
        "deadline-without-the-id",
    ),
    "a pool seeded anew after a rebuild": ("pool-seeded-anew-after-a-rebuild", "pool-seeded-anew-by-a-push"),
    "the same nonces drawn again after a lost tail": ("nonces-drawn-again-after-a-lost-tail",),
    "a seed revealed and then current again": ("revealed-seed-current-again",),
    "a blind retry by the client library": ("blind-retry",),
    "dedup dropped": ("dedup-dropped",),
    "acknowledged early": ("strict-acknowledged-early",),
    "write order swapped": ("write-order-swapped",),
    "a dead-lettered event overwriting newer state": (
        "dead-letter-overwrites-the-day",
        "dead-letter-reopens-a-round",
    ),
    "two script versions at once": ("two-script-versions-at-once",),
}
"""Names of mutations by history; the first one is the history itself."""


def table() -> Iterator[str]:
    """The histories as a table in Markdown: each mutation with where its tests are, and what their names say."""
    by_name = {mutation.name: mutation for mutation in MUTATIONS}
    yield "| history | mutation | caught by |"
    yield "|---|---|---|"
    for history, names in HISTORIES.items():
        for number, name in enumerate(names):
            mutation = by_name[name]
            tests = ", ".join(f"`{path.removeprefix('tests/')}`" for path in mutation.tests)
            words = mutation.only.replace("_", " ")
            yield f"| {history if number == 0 else ''} | `{name}` | {tests}: {words} |"
