"""What a client can ask about fairness: its commitment, and the receipt of a draw."""

from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from croupier.clock import utc
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.event_log import find_event, player_held
from croupier.fairness.nonce import next_nonce
from croupier.fairness.rotate import text
from croupier.gacha.pulled import Pull, pity
from croupier.gacha.table import CompiledBanner
from croupier.partition import PARTITIONS
from croupier.query import NoParams, Query, Sources
from croupier.settings import SettingsError
from croupier.wallet import read_player
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Event, EventId
from croupier_schemas.fairness import DrawRecord, FairnessReply, ReceiptReply
from croupier_schemas.records import (
    DRAW_GUARANTEED,
    DRAW_HARD_PITY,
    DRAW_NEAR_MISS,
    DRAW_STOCK_SEEN,
    GachaDraw,
    Player,
)

log = structlog.get_logger(__name__)


class ReceiptParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which event."""

    event_id: Annotated[str, Meta(max_length=64, description="As in the receipt", examples=["0-1-42"])]


async def _fairness(sources: Sources, caller: Caller, _params: NoParams) -> FairnessReply:
    epoch = await sources.engine.epoch(caller.uid % PARTITIONS)
    player = await read_player(sources, caller.uid)
    if player is None or player.seed_generation == 0:
        installation = await sources.engine.installation(caller.uid % PARTITIONS)
        seed = sources.engine.master_keys.seed(installation, caller.uid, 1)
        return FairnessReply(seed.commitment.hex(), str(caller.uid), next_nonce(0, epoch), seed.generation)
    return FairnessReply(
        player.commitment.hex(),
        text(player.client_seed, player.client_seed_length),
        next_nonce(player.nonce, epoch),
        player.seed_generation,
    )


async def _receipt(sources: Sources, caller: Caller, params: ReceiptParams) -> ReceiptReply:
    event = await _visible_pull(sources, caller, params.event_id)
    pull = Pull.of_event(event)
    economy = await sources.engine.economy_of_version(event.header.economy.hex())
    # A seed is public once its successor is in force and no failure can take that back.
    player = await player_held(sources, event.header.uid)
    drawn_with = pull.player
    revealed = player is not None and player.seed_generation > drawn_with.seed_generation
    server_seed = await _revealed_seed(sources, event, drawn_with) if revealed else None
    return ReceiptReply(
        event_id=str(event.id),
        seq=event.id.seq,
        time=utc(event.ts_ms),
        type=event.header.type,
        economy=economy.version,
        rules=event.header.rules,
        banner=pull.terms.banner,
        table=economy.banners[pull.terms.banner].banner,
        server_seed=server_seed,
        commitment=drawn_with.commitment.hex(),
        client_seed=text(drawn_with.client_seed, drawn_with.client_seed_length),
        nonce=drawn_with.nonce,
        state_before=pity(pull.seen),
        draws=[_draw(draw, economy.banners[pull.terms.banner]) for draw in pull.draws],
    )


async def _revealed_seed(sources: Sources, event: Event, drawn_with: Player) -> str:
    installation = await sources.engine.installation(event.id.partition)
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


async def _visible_pull(sources: Sources, caller: Caller, text_id: str) -> Event:
    try:
        event_id = EventId.parse(text_id)
    except ValueError as error:
        raise CroupierError("RECEIPT_NOT_FOUND", str(error)) from None
    known = event_id.partition < PARTITIONS
    event = await find_event(sources, event_id) if known else None
    mine = event is not None and (event.header.uid == caller.uid or caller.role == "admin")
    if event is None or not mine or event.header.type != "gacha.pulled":
        raise CroupierError("RECEIPT_NOT_FOUND")
    return event


def _draw(draw: GachaDraw, banner: CompiledBanner) -> DrawRecord:
    return DrawRecord(
        rarity=RARITIES[draw.rarity - 1],
        item_id=banner.items[draw.rarity - 1][draw.item],
        near_miss=bool(draw.flags & DRAW_NEAR_MISS),
        hard_pity=bool(draw.flags & DRAW_HARD_PITY),
        guaranteed=bool(draw.flags & DRAW_GUARANTEED),
        downgraded_from=RARITIES[draw.downgraded_from - 1] if draw.downgraded_from else None,
        stock_seen=draw.stock if draw.flags & DRAW_STOCK_SEEN else None,
    )


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
    summary="Everything that is needed to recompute a draw of one's own",
    params=ReceiptParams,
    reply=ReceiptReply,
    answer=_receipt,
    errors=("RECEIPT_NOT_FOUND",),
)
