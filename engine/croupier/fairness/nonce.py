"""The number of a draw under a player's seeds."""

EPOCH_SPAN = 1_000_000_000


def nonce_floor(epoch: int) -> int:
    """Nonces of an epoch are greater than this: what a lost tail of the log held may have been seen by players, and
    must not be drawn again."""
    return (epoch - 1) * EPOCH_SPAN


def next_nonce(nonce: int, epoch: int) -> int:
    """The nonce of the next draw of a player whose last one was `nonce`."""
    return max(nonce, nonce_floor(epoch)) + 1
