"""What Croupier may do on Redis: the commands, keys and channels that its user needs there, and nothing else.

`ops/redis/users.acl` says the same for servers of one's own, and the embedded Valkey runs with it: see
docs/decisions/0025-redis-acl.md.
"""

from typing import Any, Final

from croupier.scripts import Scripts
from croupier.transport import ReplyError, Transport
from croupier_schemas import keys

USER: Final = "croupier"

NAMES: Final = "{[0-9]*}:*"
"""The pattern of all keys and channels: what begins with a partition as hash tag is Croupier's, and nothing else is."""

_KEY: Final = keys.head(0)
_CHANNEL: Final = keys.live(0)

COMMANDS: Final = {
    # connections
    "client|setname": "x",
    "info": "server",
    "ping": "",
    "select": "0",
    # scripts
    "evalsha": f"x 1 {_KEY}",
    "script|load": "x",
    # keys of any type
    "del": _KEY,
    "exists": _KEY,
    "pexpire": f"{_KEY} 1",
    "rename": f"{_KEY} {_KEY}",
    "scan": "0",
    "unlink": _KEY,
    # strings
    "get": _KEY,
    "getdel": _KEY,
    "mget": _KEY,
    "mset": f"{_KEY} x",
    "set": f"{_KEY} x",
    "setrange": f"{_KEY} 0 x",
    # hashes
    "hexists": f"{_KEY} x",
    "hget": f"{_KEY} x",
    "hgetall": _KEY,
    "hmget": f"{_KEY} x",
    "hset": f"{_KEY} x x",
    # sorted sets
    "zadd": f"{_KEY} 0 x",
    "zrangebyscore": f"{_KEY} 0 0",
    "zrem": f"{_KEY} x",
    # streams
    "xadd": f"{_KEY} * x x",
    "xinfo|stream": _KEY,
    "xlen": _KEY,
    "xrange": f"{_KEY} - +",
    "xread": f"STREAMS {_KEY} 0",
    "xrevrange": f"{_KEY} + -",
    "xtrim": f"{_KEY} MINID 0",
    # channels
    "publish": f"{_CHANNEL} x",
    "pubsub|numsub": _CHANNEL,
    "subscribe": _CHANNEL,
    "unsubscribe": _CHANNEL,
    # the server
    "time": "",
    "waitaof": "1 0 0",
}
"""All commands that Croupier sends or its scripts call, with arguments by which Redis can be asked for each.

A script that calls one which is not among them fails where it stands, and leaves behind what it wrote before.
"""

_REFUSED: Final = "NOPERM"
_FIRST_REDIS_WITH_WAITAOF: Final = (7, 2)


class PermissionMissing(Exception):
    """The user of REDIS_URL may not do what Croupier needs; the message is one line that names the commands."""


def rules() -> list[str]:
    """What the user may do, as rules of `ACL SETUSER`. Without a password, and without `on`."""
    return [
        "resetkeys",
        f"~{NAMES}",
        "resetchannels",
        f"&{NAMES}",
        "-@all",
        *(f"+{name}" for name in COMMANDS),
    ]


async def require_permissions(transport: Transport) -> None:
    """Ask Redis whether the user may do all that Croupier does there; nothing of it is done.

    Raises PermissionMissing, and TransportError.
    """
    script = Scripts()["access.check"]
    wanted = [f"{name.replace('|', ' ')} {arguments}" for name, arguments in COMMANDS.items()]
    server = transport.server
    if server is not None and server.name == "redis" and _numbers(server.version) < _FIRST_REDIS_WITH_WAITAOF:
        wanted = [
            each for each in wanted if not each.startswith("waitaof ")
        ]  # asked for an unknown one it fails
    try:
        refused: Any = await transport.run(script, [], script.argv(*wanted))
    except ReplyError as error:
        if error.code != _REFUSED:
            raise
        raise PermissionMissing(_missing(f"Redis says: {error.message}")) from error
    if refused:
        names = sorted(" ".join(each.decode().split()) for each in refused)
        raise PermissionMissing(_missing(f"it must be allowed {', '.join(names)}"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _missing(what: str) -> str:
    return f"the user of REDIS_URL may not do all that Croupier needs: {what} (rules: ops/redis/users.acl)"
