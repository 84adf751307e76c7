"""Request and reply of what clients report: what a player did there that no command tells, such as opening the shop."""

import datetime
import math
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from croupier_schemas.common import Receipt
from croupier_schemas.layout import INTEGER_MAX

DATA_BYTES_MAX: Final = 2_048
"""Size of `action_data` as JSON without spaces, in UTF-8."""

DATA_DEPTH_MAX: Final = 4
"""Objects and arrays in one another, `action_data` itself included."""

# `\Z`, because `$` also matches before a final line feed.
ActionType = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,63}\Z",
        description="What was done. The funnel of the shop counts `open_shop` and `buy_click`",
        examples=["open_shop"],
    ),
]
ActionData: TypeAlias = Annotated[
    dict[str, object],
    Meta(
        description=f"Details: at most {DATA_BYTES_MAX:,} bytes of JSON, nested {DATA_DEPTH_MAX} deep, integers below "
        "2^53. No personal data: the event log is kept for ever"
    ),
]


class ActionsRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Record something that the player did in the client."""

    action_type: ActionType
    action_data: ActionData = {}

    def __post_init__(self) -> None:
        """Raise ValueError, in the form of msgspec's own messages, for data that is too large, or no JSON elsewhere."""
        problem = _problem(self.action_data)
        if problem:
            raise ValueError(f"{problem} - at `$.action_data`")


class ActionsRecordReply(msgspec.Struct, frozen=True):
    """What was recorded."""

    action_type: ActionType
    action_data: ActionData
    recorded_at: datetime.datetime
    receipt: Receipt


def _problem(data: dict[str, object]) -> str:
    """What is wrong with the data; empty where nothing is."""
    level: list[object] = [data]
    for depth in range(DATA_DEPTH_MAX + 1):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, float):
                if not math.isfinite(value):
                    return "number out of range"
            elif isinstance(value, int) and abs(value) > INTEGER_MAX:
                return "an integer of 2^53 or more"
        if depth == DATA_DEPTH_MAX and any(isinstance(value, dict | list) for value in level):
            return f"nested more than {DATA_DEPTH_MAX} deep"
        level = inner
    if len(msgspec.json.encode(data)) > DATA_BYTES_MAX:
        return f"longer than {DATA_BYTES_MAX:,} bytes as JSON"
    return ""
