"""All mutations."""

from tests.mutants import commands, following, healing, lookups, strict, verifying
from tests.mutants.mutation import Mutation

MUTATIONS: tuple[Mutation, ...] = (
    *strict.MUTATIONS,
    *following.MUTATIONS,
    *healing.MUTATIONS,
    *lookups.MUTATIONS,
    *commands.MUTATIONS,
    *verifying.MUTATIONS,
)
