"""`croupier pool add`."""

import asyncio
from typing import Annotated

from cyclopts import Parameter, validators

from croupier.pool import ADDED_MAX, Added, add_to_pool
from croupier.scripts import Scripts
from croupier.settings import Settings
from croupier.transport import OutcomeUnknown
from croupier_cli.errors import CannotRun
from croupier_cli.operation import casino, operator_settings
from croupier_cli.output import JsonFlag, result, result_json
from croupier_schemas.economy import Rarity

_PARTITION = 0
_REASON_CHARACTERS_MAX = 500


def add(
    banner: str,
    rarity: Rarity,
    amount: Annotated[int, Parameter(name="N", validator=validators.Number(gte=1, lte=ADDED_MAX))],
    /,
    *,
    reason: str = "",
    as_json: JsonFlag = False,
) -> None:
    """Add stock to a limited pool, while players draw from it. An event keeps the amount and the reason.

    Each call adds again. Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`.

    Example: `croupier pool add festival Legendary 10 --reason "second week"`

    Parameters
    ----------
    banner:
        The banner.
    rarity:
        A rarity of which the banner has a limited pool.
    amount:
        How many items to add.
    reason:
        Why, in at most 500 characters; it stands in the event.
    """
    if len(reason) > _REASON_CHARACTERS_MAX or not reason.isprintable():
        raise CannotRun(f"--reason must be one line of at most {_REASON_CHARACTERS_MAX} characters")
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    added = asyncio.run(_add(settings, banner, rarity, amount, reason))
    if as_json:
        result_json({"banner": banner, "rarity": rarity, "added": amount, **added._asdict()})
    else:
        result(f"{rarity} of {banner}: {added.before:,} -> {added.after:,} (event {added.event_id})")


async def _add(settings: Settings, banner: str, rarity: Rarity, amount: int, reason: str) -> Added:
    async with casino(settings) as servers:
        try:
            return await add_to_pool(
                servers.transport, Scripts(), _PARTITION,
                banner=banner, rarity=rarity, amount=amount, reason=reason,
            )  # fmt: skip
        except OutcomeUnknown as error:
            raise CannotRun(
                f"the connection broke, and the stock may have been added or not: {error}. "
                "Look for its `pool.added` event before trying again"
            ) from error
