"""From the seeds to rolls, in plain Python: the first steps of `docs/fairness.md`."""

import hashlib
import hmac


def block(server_seed: str, client_seed: str, nonce: int, number: int) -> str:
    """Block `number` (from 0) of a command: HMAC-SHA1, as 40 hexadecimal digits."""
    message = f"{client_seed}:{nonce}:{number}"
    return hmac.new(server_seed.encode(), message.encode(), hashlib.sha1).hexdigest()


def rolls(server_seed: str, client_seed: str, nonce: int, count: int) -> list[float]:
    """The first `count` rolls of a command: three from each block, multiples of 2^-52 in [0, 1)."""
    found = []
    for index in range(count):
        at = 13 * (index % 3)
        digits = block(server_seed, client_seed, nonce, index // 3)[at : at + 13]
        found.append(int(digits, 16) / 2**52)
    return found
