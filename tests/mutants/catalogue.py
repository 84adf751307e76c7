"""All mutations."""

from tests.mutants import analytics, commands, following, healing, lookups, strict, verifying
from tests.mutants.mutation import Mutation

MUTATIONS: tuple[Mutation, ...] = (
    *strict.MUTATIONS,
    *following.MUTATIONS,
    *healing.MUTATIONS,
    *lookups.MUTATIONS,
    *commands.MUTATIONS,
    *analytics.MUTATIONS,
    *verifying.MUTATIONS,
)
