"""The names of all keys in Redis: the only place in Python that knows them.

Scripts declare the same patterns in their contracts; the loader refuses a pattern that is not one of these.
`{p}` is the partition as hash tag, so that all keys of a command lie in one slot of a cluster.
"""

HEAD = "head"
OUTBOX = "outbox:<fence>"
OUTBOX_CLOSED = "outbox:closed"
PLAYER = "player:<uid>"
GACHA = "gacha:<uid>:<banner>"
POOL = "pool:<banner>"
IDEMPOTENCY = "idem:<uid>:<key>"
ECONOMY = "economy:<version>"

PATTERNS = frozenset({HEAD, OUTBOX, OUTBOX_CLOSED, PLAYER, GACHA, POOL, IDEMPOTENCY, ECONOMY})


def head(partition: int) -> str:
    """What a partition believes of itself: epoch, identity, economy, schema, fence, installation, partitions."""
    return f"{{{partition}}}:head"


def outbox(partition: int, fence: str) -> str:
    """The event stream. Its name is the fence: a caller with a stale view names a stream that does not exist."""
    return f"{{{partition}}}:outbox:{fence}"


def outbox_closed(partition: int) -> str:
    """The event stream of a partition that stands still."""
    return f"{{{partition}}}:outbox:closed"


def player(partition: int, uid: int) -> str:
    """The record of a player (layout `player`)."""
    return f"{{{partition}}}:player:{uid}"


def gacha(partition: int, uid: int, banner: str) -> str:
    """The record of a player on a banner (layout `gacha`)."""
    return f"{{{partition}}}:gacha:{uid}:{banner}"


def pool(partition: int, banner: str) -> str:
    """Hash of the remaining stock of a banner by rarity; a rarity that is not limited has no field."""
    return f"{{{partition}}}:pool:{banner}"


def economy(partition: int, version: str) -> str:
    """The canonical form of one version of the economy."""
    return f"{{{partition}}}:economy:{version}"
