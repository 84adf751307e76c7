"""The hot path to Redis: one multiplexed connection, one write per event-loop turn, replies in order.

Only commands with exactly one reply belong here. One that blocks (`BLPOP`, `XREAD BLOCK`) would hold up all
calls behind it, one that changes the number of replies (`SUBSCRIBE`, `CLIENT REPLY OFF`) would break the
pairing of replies with calls, and one that changes the connection's state (`MULTI`, `WATCH`, `SELECT`)
would do so for all callers: those need a connection of their own.

The parts, from the outside in: `client` (the public `Transport`: reconnecting, probes and safe repeats), `breaker`
(whether calls are let through), `connection` (queues, deadlines and back-pressure of one connection), `handshake`
(what a new connection learns about its server), `address` (Redis URLs), `failures` (why there is no
connection), `errors`.
"""

from croupier.transport.address import Address
from croupier.transport.breaker import Breaker, BreakerState
from croupier.transport.client import Script, Transport
from croupier.transport.connection import Reply
from croupier.transport.errors import (
    NOT_EXECUTED_CODES,
    REFUSED_CODES,
    OutcomeUnknown,
    Overloaded,
    ReplyError,
    TransportError,
    Unavailable,
)
from croupier.transport.handshake import Identity, Server
from croupier.transport.subscription import Subscription

__all__ = [
    "NOT_EXECUTED_CODES",
    "REFUSED_CODES",
    "Address",
    "Breaker",
    "BreakerState",
    "Identity",
    "OutcomeUnknown",
    "Overloaded",
    "Reply",
    "ReplyError",
    "Script",
    "Server",
    "Subscription",
    "Transport",
    "TransportError",
    "Unavailable",
]
