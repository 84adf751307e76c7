"""Seeds and rolls in plain Python, written from docs/fairness.md alone: nothing here comes from the engine."""

import hashlib
import hmac

INSTALLATION = "standalone-lucky"


def server_seed(master_key: bytes, uid: int, generation: int) -> str:
    """The server seed of a player's generation: 64 hex characters."""
    return hmac.new(master_key, f"{INSTALLATION}:{uid}:{generation}".encode(), hashlib.sha256).hexdigest()


def commitment(seed: str) -> str:
    """What is published of a server seed while it is live."""
    return hashlib.sha256(seed.encode("ascii")).hexdigest()


def block(seed: str, client_seed: str, nonce: int, number: int) -> str:
    """Block `number` of a command: 40 hex digits."""
    message = f"{client_seed}:{nonce}:{number}"
    return hmac.new(seed.encode("ascii"), message.encode("ascii"), hashlib.sha1).hexdigest()


def rolls(seed: str, client_seed: str, nonce: int, count: int) -> list[float]:
    """The first `count` rolls of a command, each in [0, 1)."""
    found: list[float] = []
    number = 0
    while len(found) < count:
        digits = block(seed, client_seed, nonce, number)
        found += [int(digits[at : at + 13], 16) / 2**52 for at in (0, 13, 26)]
        number += 1
    return found[:count]
