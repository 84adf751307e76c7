"""The list of mutations fits the code, so that it cannot rot; `make mutants` tries them."""

import re
from collections import Counter

import pytest

from tests.mutants.catalogue import MUTATIONS
from tests.mutants.histories import HISTORIES, table
from tests.mutants.mutation import ROOT, Mutation, mutated

MUTATIONS_MIN = 25
HISTORIES_NAMED = 20

each_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.name for each in MUTATIONS])


@each_mutation
def test_given_a_mutation_when_planted_then_its_text_is_there_once_and_changes(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text()

    assert mutated(ROOT, mutation) != text


@each_mutation
def test_given_a_mutation_when_its_tests_are_looked_up_then_each_word_names_one(mutation: Mutation) -> None:
    assert mutation.tests
    names = [
        name
        for path in mutation.tests
        for name in re.findall(r"^(?:async )?def (test_\w+)", (ROOT / path).read_text(), re.MULTILINE)
    ]
    for word in mutation.only.split(" or "):
        assert any(word in name for name in names), word


def test_given_the_mutations_when_counted_then_they_are_enough_and_each_has_its_own_name() -> None:
    assert len(MUTATIONS) >= MUTATIONS_MIN
    assert max(Counter(mutation.name for mutation in MUTATIONS).values()) == 1
    assert len({(mutation.file, mutation.old, mutation.new) for mutation in MUTATIONS}) == len(MUTATIONS)


def test_given_the_named_histories_when_looked_up_then_each_has_a_mutation() -> None:
    names = [name for each in HISTORIES.values() for name in each]

    assert len(HISTORIES) == HISTORIES_NAMED
    assert all(HISTORIES.values())
    assert set(names) <= {mutation.name for mutation in MUTATIONS}
    assert len(set(names)) == len(names)
    assert len(list(table())) == 2 + len(names)


def test_given_the_page_on_durability_when_read_then_it_has_the_table_of_histories() -> None:
    assert "\n".join(table()) in (ROOT / "docs/durability.md").read_text()
