"""The arguments that scripts take for their stages, whatever the command does. A script declares those it needs."""

from typing import NamedTuple


class Frame(NamedTuple):
    """By the names that the stages give them; what each means stands in `croupier_lua/include`."""

    not_after_ms: int
    clock_ms: int
    idempotency_ms: int
    request: bytes
    nonce_floor: int
    rate_second: int
    rate_minute: int
    rate_shadow: int
    seed: bytes
    balance_max: int
    session_bit: int
    session_idle_ms: int
    entry: str
    header: bytes
