"""Faults in `croupier verify`: what it would no longer find."""

from tests.mutants.mutation import Mutation

_VERIFICATION = "sync/croupier_sync/verification"
_TABLES = ("tests/sync/test_verification_tables.py",)

MUTATIONS = (
    Mutation(
        "verify-counts-rows-only",
        "a row of the history, the ledger or the rewards is changed, and verify calls the books sound",
        f"{_VERIFICATION}/journals.py",
        "        if expected != found:\n",
        "        if len(expected) != len(found):\n",
        _TABLES,
        "a_changed_column",
    ),
    Mutation(
        "verify-takes-projections-at-their-word",
        "a projection writes wrong amounts, verify makes them again with the same projection, and finds nothing",
        f"{_VERIFICATION}/projected.py",
        "            if total != change:\n",
        "            if False:\n",
        _TABLES,
        "a_projection_that_is_wrong_itself",
    ),
    Mutation(
        "verify-overlooks-strays",
        "a row that no event made stands among the rounds, and verify compares only those that it expects",
        f"{_VERIFICATION}/summaries.py",
        "        if count != self._keys:\n",
        "        if False:\n",
        _TABLES,
        "a_row_that_is_gone_or_too_many",
    ),
    Mutation(
        "verify-knows-no-adoption",
        "an operator has adopted a log with a gap, and verify calls it damaged ever after",
        f"{_VERIFICATION}/replay.py",
        "if event_id in self._gaps and",
        "if not self._gaps and",
        _TABLES,
        "its_gap_is_told",
    ),
)
