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
CRASH = "crash:<uid>"
CRASH_OPEN = "crash_open"
SESSION = "session:<uid>:<game>"
SESSION_OPEN = "session_open"
SWEEPER = "sweeper"
TICKET = "ticket:<hash>"

PATTERNS = frozenset(
    {
        HEAD, OUTBOX, OUTBOX_CLOSED, PLAYER, GACHA, POOL, IDEMPOTENCY, ECONOMY,
        CRASH, CRASH_OPEN, SESSION, SESSION_OPEN, SWEEPER, TICKET,
    }
)  # fmt: skip

_DURABLE = frozenset(pattern.partition(":")[0] for pattern in (PLAYER, GACHA, POOL, CRASH, SESSION, ECONOMY))


def kind(name: bytes) -> str:
    """What stands behind the partition in the name of a key, such as `player`; empty for a name of another form."""
    parts = name.split(b":", 2)
    return parts[1].decode("utf-8", "replace") if len(parts) > 1 else ""


def is_durable(name: bytes) -> bool:
    """Whether events and the mirror have this key; the others can be made again, or may be lost."""
    return kind(name) in _DURABLE


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


def idempotency(partition: int, uid: int, key: str) -> str:
    """What is kept of the first call of a player under an idempotency key."""
    return f"{{{partition}}}:idem:{uid}:{key}"


def economy(partition: int, version: str) -> str:
    """The canonical form of one version of the economy."""
    return f"{{{partition}}}:economy:{version}"


def crash(partition: int, uid: int) -> str:
    """The record of a player's crash rounds (layout `crash`)."""
    return f"{{{partition}}}:crash:{uid}"


def crash_open(partition: int) -> str:
    """Sorted set of the players with an open bet, by its time: where the sweeper looks. Volatile: in no event."""
    return f"{{{partition}}}:crash_open"


def session(partition: int, uid: int, game: str) -> str:
    """The record of a player's session in a game (layout `session`)."""
    return f"{{{partition}}}:session:{uid}:{game}"


def session_open(partition: int) -> str:
    """Sorted set of open sessions, `<uid>:<game>`, by when one that was not played since is idle. Volatile."""
    return f"{{{partition}}}:session_open"


def sweeper(partition: int) -> str:
    """Which process sweeps the partition; expires when that process is gone. Volatile."""
    return f"{{{partition}}}:sweeper"


def synced(partition: int) -> str:
    """The channel on which the sync daemon says that Postgres has the events up to one, `epoch-seq`. No key."""
    return f"{{{partition}}}:synced"


def ticket(digest: str) -> str:
    """Whom a ticket for a WebSocket lets in, by the hash of the ticket; expires. Volatile: in no event."""
    return f"{{0}}:ticket:{digest}"


def live(partition: int) -> str:
    """The channel of every worker that has a socket: what concerns all sockets of the partition. No key."""
    return f"{{{partition}}}:live"


def player_events(partition: int, uid: int) -> str:
    """The channel with the events of a player. No key."""
    return f"{{{partition}}}:events:{uid}"


def monitor(partition: int) -> str:
    """The channel with all events of a partition. No key."""
    return f"{{{partition}}}:monitor"


def notifications(uid: int) -> str:
    """The channel with the notifications of a player. No key."""
    return f"{{0}}:notifications:{uid}"


def broadcast() -> str:
    """The channel with the notifications for all players. No key."""
    return "{0}:notifications"
