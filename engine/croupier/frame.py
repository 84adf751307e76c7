"""The arguments that every command's script takes, whatever it does."""

from typing import NamedTuple


class Frame(NamedTuple):
    """The arguments of the stages `gate`, `player` and `commit`, in the order in which a script declares them."""

    not_after_ms: int
    clock_ms: int
    idempotency_ms: int
    request: bytes
    nonce_floor: int
    seed: bytes
    entry: str
    header: bytes
