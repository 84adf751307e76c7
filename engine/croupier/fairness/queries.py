"""What a client can ask about fairness: its commitment, and the receipt of an outcome."""

from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.event_log import find_event, player_held
from croupier.fairness.nonce import next_nonce
from croupier.fairness.receipts import has_receipt, player_of, receipt_of
from croupier.fairness.rotate import text
from croupier.gacha.table import CompiledEconomy
from croupier.partition import PARTITIONS
from croupier.query import NoParams, Query, Sources
from croupier.settings import SettingsError
from croupier.wallet import read_player
from croupier_schemas.events import Event, EventId
from croupier_schemas.fairness import FairnessReply, ReceiptReply
from croupier_schemas.records import Player

log = structlog.get_logger(__name__)

_ECONOMY = "SELECT canonical FROM economy_versions WHERE version = $1"
_INSTALLATION = "SELECT id FROM installation"


class ReceiptParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which event."""

    event_id: Annotated[str, Meta(max_length=64, description="As in the receipt", examples=["0-1-42"])]


async def _fairness(sources: Sources, caller: Caller, _params: NoParams) -> FairnessReply:
    epoch = (await sources.engine.views.in_force(caller.uid % PARTITIONS)).epoch
    player = await read_player(sources, caller.uid)
    if player is None or player.seed_generation == 0:
        installation = (await sources.engine.views.in_force(caller.uid % PARTITIONS)).installation
        seed = sources.engine.master_keys.seed(installation, caller.uid, 1)
        return FairnessReply(seed.commitment.hex(), str(caller.uid), next_nonce(0, epoch), seed.generation)
    return FairnessReply(
        player.commitment.hex(),
        text(player.client_seed, player.client_seed_length),
        next_nonce(player.nonce, epoch),
        player.seed_generation,
    )


async def _receipt(sources: Sources, caller: Caller, params: ReceiptParams) -> ReceiptReply:
    event = await _visible_event(sources, caller, params.event_id)
    economy = await economy_of_event(sources, event.header.economy.hex())
    # A seed is public once its successor is in force and no failure can take that back.
    player, drawn_with = await player_held(sources, event.header.uid), player_of(event)
    revealed = player is not None and player.seed_generation > drawn_with.seed_generation
    server_seed = await _revealed_seed(sources, event, drawn_with) if revealed else None
    return receipt_of(event, economy, server_seed)


async def economy_of_event(sources: Sources, version: str) -> CompiledEconomy:
    """The economy of an event; from Postgres where Redis cannot answer now."""
    views = sources.engine.views
    try:
        return await views.economy_of_version(version)
    except CroupierError as error:
        if error.code != "NOT_READY" or sources.postgres is None:
            raise
        canonical = await sources.postgres.fetchval(_ECONOMY, version)
        if canonical is None:
            raise
        return views.economy_of_canonical(version, canonical)


async def _installation(sources: Sources, partition: int) -> str:
    """The installation that seeds are derived for: Postgres', which Redis shares, or that of Redis alone."""
    if sources.postgres is None:
        return (await sources.engine.views.in_force(partition)).installation
    installation: str = await sources.postgres.fetchval(_INSTALLATION)
    return installation


async def _revealed_seed(sources: Sources, event: Event, drawn_with: Player) -> str:
    installation = await _installation(sources, event.id.partition)
    try:
        seed = sources.engine.master_keys.seed(
            installation, event.header.uid, drawn_with.seed_generation, drawn_with.seed_key
        )
    except SettingsError as error:
        log.error("a revealed seed cannot be shown", event_id=str(event.id), error=str(error))
        raise CroupierError("INTERNAL") from error
    if seed.commitment != drawn_with.commitment:
        log.error("commitment does not fit the master key", event_id=str(event.id), key=drawn_with.seed_key)
        raise CroupierError("INTERNAL")
    return seed.reveal()


async def _visible_event(sources: Sources, caller: Caller, text_id: str) -> Event:
    try:
        event_id = EventId.parse(text_id)
    except ValueError as error:
        raise CroupierError("RECEIPT_NOT_FOUND", str(error)) from None
    known = event_id.partition < PARTITIONS
    event = await find_event(sources, event_id) if known else None
    mine = event is not None and (event.header.uid == caller.uid or caller.role == "admin")
    if event is None or not mine or not has_receipt(event):
        raise CroupierError("RECEIPT_NOT_FOUND")
    return event


FAIRNESS = Query(
    name="fairness",
    path="/api/fairness",
    summary="The caller's commitment, client seed and next nonce",
    params=NoParams,
    reply=FairnessReply,
    answer=_fairness,
)
RECEIPT = Query(
    name="fairness.receipt",
    path="/api/fairness/receipts/{event_id}",
    summary="Everything that is needed to recompute an outcome of one's own",
    params=ReceiptParams,
    reply=ReceiptReply,
    answer=_receipt,
    without_redis=True,
    errors=("RECEIPT_NOT_FOUND",),
)
