"""The command `actions.record`: the client's half of what is known of a player, such as that the shop was opened."""

from typing import NamedTuple

import msgspec

from croupier.clock import utc
from croupier.command import Command, Context, Done, receipt
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.actions import ActionData, ActionsRecord, ActionsRecordReply, ActionType
from croupier_schemas.records import PLAYER

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(dict[str, object]).decode


class RecordTerms(msgspec.Struct, frozen=True, array_like=True):
    """What the client said; the script adds nothing to it. The data's names are in the order that events have."""

    action_type: ActionType
    action_data: ActionData


class RecordArguments(NamedTuple):
    """`actions/record.lua` declares no arguments itself."""


def _terms(_context: Context, request: ActionsRecord) -> RecordTerms:
    # As the event will hold it, so that the first reply and a replay are equal to the last byte.
    return RecordTerms(request.action_type, _decode(_encode(request.action_data)))


def _render(_economy: CompiledEconomy, terms: RecordTerms, done: Done) -> ActionsRecordReply:
    player = PLAYER.unpack(done.images[0])
    return ActionsRecordReply(
        action_type=terms.action_type,
        action_data=terms.action_data,
        recorded_at=utc(done.ts_ms),
        receipt=receipt(done, player.nonce, player.commitment),
    )


# It counts in the scope of the games: a limit of its own would be one more log of calls in each player's record.
RECORD = Command(
    name="actions.record",
    path="/api/actions",
    summary="Record what a player did in the client, for the analytics",
    description=(
        "Report what no command tells, such as `open_shop` and `buy_click`, which the funnel of the shop counts. It "
        "changes no balance. It counts in the rate limit of the games, so report steps and no movements of a mouse."
    ),
    request=ActionsRecord,
    reply=ActionsRecordReply,
    arguments=RecordArguments,
    terms_type=RecordTerms,
    terms=_terms,
    bind=lambda _context, _request, _terms: RecordArguments(),
    render=_render,
    errors=("PLAYER_BANNED", "RATE_LIMITED"),
    example=ActionsRecord(action_type="open_shop", action_data={"from": "lobby"}),
)
