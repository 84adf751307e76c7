"""Request and reply of the question what became of an attempt."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

OpId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="The header `Op-Id` of the attempt's reply")
]


class OpQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which attempt."""

    op_id: OpId


class OpReply(msgspec.Struct, frozen=True):
    """What became of an attempt.

    `applied`: this attempt changed the state, by the event named here. `not_applied`: it did not, and never will; it
    may have repeated the reply of an earlier attempt with the same idempotency key. `unknown`: neither can be said now;
    ask again later.
    """

    op_id: OpId
    outcome: Literal["applied", "not_applied", "unknown"]
    event_id: Annotated[str | None, Meta(description="partition-epoch-seq", examples=["0-1-42"])]
    type: Annotated[str | None, Meta(description="Type of the event", examples=["gacha.pulled"])]
    durable: Annotated[
        bool | None,
        Meta(
            description="Whether Postgres has the event; null where there is no event or no Postgres to ask"
        ),
    ]
    checked_at: Annotated[datetime.datetime, Meta(description="When it was looked up, by the server's clock")]
