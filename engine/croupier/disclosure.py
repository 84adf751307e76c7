"""What the queries that disclose a game's odds have in common: they answer for any version of the economy."""

from typing import Annotated

import msgspec
from msgspec import Meta

from croupier.gacha.table import CompiledEconomy
from croupier.query import Sources


class VersionParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Optionally a past version of the economy; without it, the one in force."""

    economy: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


async def economy_asked_for(sources: Sources, params: VersionParams) -> tuple[CompiledEconomy, bool]:
    """The economy of that version, and whether it is in force.

    Raises:
        CroupierError: ECONOMY_NOT_FOUND for a version that never was; NOT_READY where Redis cannot answer now.
    """
    in_force = (await sources.engine.views.in_force(0)).economy
    if params.economy is None or params.economy == in_force.version:
        return in_force, True
    return await sources.engine.views.economy_of_version(params.economy), False
