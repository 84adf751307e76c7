"""Replies that tell how the sinks are: Kafka, and what is read there."""

import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class KafkaHealth(msgspec.Struct, frozen=True):
    """How events come to Kafka, in the words of the daemon that publishes them."""

    enabled: bool
    bootstrap_servers: list[str]
    reachable: Annotated[
        bool, Meta(description="Whether a daemon publishes there now; false too where none is running")
    ]
    topics: list[str]
    lag_events: Annotated[int, Meta(description="Events that Postgres has and Kafka has not acknowledged")]
    lag_seconds: Annotated[float, Meta(description="Age of the oldest of them")]
    cursor: Annotated[
        str | None,
        Meta(description="The last event acknowledged; null before the first", examples=["0-1-42"]),
    ]
    dead_letters: Annotated[int, Meta(description="Events that the sink could not take")]
    state: Annotated[
        str, Meta(description="What the daemon last said: `following` is good", examples=["following"])
    ]
    detail: Annotated[str, Meta(description="Why it is not `following`; empty where it is")]
    as_of: datetime.datetime


class OlapHealth(msgspec.Struct, frozen=True):
    """How events come to ClickHouse, in the words of the daemon that inserts them, and whether it answers here."""

    enabled: bool
    database: Annotated[str, Meta(description="Empty where there is none", examples=["croupier"])]
    reachable: Annotated[bool, Meta(description="Whether ClickHouse answered just now, within 2 s")]
    tables: list[str]
    lag_events: Annotated[int, Meta(description="Events that Postgres has and ClickHouse may lack")]
    lag_seconds: Annotated[float, Meta(description="Age of the oldest of them")]
    cursor: Annotated[
        str | None,
        Meta(
            description="The event up to which ClickHouse has all, or has a batch of them under way; null before the "
            "first",
            examples=["0-1-42"],
        ),
    ]
    dead_letters: Annotated[int, Meta(description="Events that the sink could not take")]
    state: Annotated[
        str, Meta(description="What the daemon last said: `following` is good", examples=["following"])
    ]
    detail: Annotated[str, Meta(description="Why it is not `following`; empty where it is")]
    as_of: datetime.datetime
