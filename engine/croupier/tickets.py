"""Tickets: with one a browser, which cannot send a header, opens a WebSocket without an access token in an address."""

import datetime
import hashlib
import re
import secrets
import time
from typing import Final

import msgspec

from croupier.action import Action
from croupier.command import Caller
from croupier.failures import unavailable
from croupier.query import Sources
from croupier.transport import TransportError
from croupier_schemas import keys
from croupier_schemas.economy import Tier
from croupier_schemas.notifications import NoBody, TicketReply

TICKET_TTL_S: Final = 30
_TICKET_BYTES: Final = 32
_is_ticket = re.compile("[A-Za-z0-9_-]{43}").fullmatch


class Admitted(msgspec.Struct, frozen=True, array_like=True):
    """Whom a ticket lets in: what the access token said that it was bought with."""

    uid: int
    tier: Tier
    role: str
    expires_s: int


_decode = msgspec.msgpack.Decoder(Admitted).decode


def _key(ticket: str) -> str:
    """Redis has the hash only, so that nobody who reads there can use one."""
    return keys.ticket(hashlib.sha256(ticket.encode()).hexdigest())


async def _issue(sources: Sources, caller: Caller, expires_s: int, _request: NoBody) -> TicketReply:
    engine = sources.engine
    await engine.views.believed(
        0
    )  # before that, nothing may be written to this Redis, which may not be one of ours
    assert caller.tier
    ticket = secrets.token_urlsafe(_TICKET_BYTES)
    admitted = msgspec.msgpack.encode(Admitted(caller.uid, caller.tier, caller.role, expires_s))
    ttl_s = max(1, min(TICKET_TTL_S, expires_s - int(time.time())))
    try:
        await engine.transport.call("SET", _key(ticket), admitted, "EX", ttl_s)
    except TransportError as error:
        raise unavailable(error) from error
    expires_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ttl_s)
    return TicketReply(ticket, expires_at)


async def redeem(sources: Sources, ticket: str) -> Admitted | None:
    """Whom the ticket lets in, once; None for one that is unknown, used or too old. Raises CroupierError NOT_READY."""
    if not _is_ticket(ticket):
        return None
    try:
        held = await sources.engine.transport.call("GETDEL", _key(ticket))
    except TransportError as error:
        raise unavailable(error) from error
    return _decode(held) if isinstance(held, bytes) else None


TICKET = Action(
    name="ws.ticket",
    path="/api/games/ws/ticket",
    summary="A ticket for one WebSocket",
    description=f"It is good for {TICKET_TTL_S} s, for any of the WebSockets, once.",
    request=NoBody,
    reply=TicketReply,
    act=_issue,
)
