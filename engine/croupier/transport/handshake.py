"""What is sent first on every connection: log in, then learn which server this is."""

import asyncio
from collections.abc import Sequence

import msgspec

from croupier.transport.address import Address
from croupier.transport.connection import Connection, Reply, pack
from croupier.transport.errors import Unavailable

_CLIENT_NAME = "croupier"


class Identity(msgspec.Struct, frozen=True):
    """Which history of writes a server has.

    `run_id` changes with every start of the process, `master_replid` when a replica is promoted. Both are
    needed: a promoted replica has inherited the data, and a server that was demoted and promoted again keeps
    its run id.
    """

    run_id: str
    master_replid: str

    def __str__(self) -> str:
        return f"{self.run_id}:{self.master_replid}"


class Server(msgspec.Struct, frozen=True):
    """What a connection learned from `INFO`. `name` is `redis` or `valkey`."""

    identity: Identity
    name: str
    version: str


async def shake_hands(connection: Connection, address: Address, deadline_s: float) -> Server:
    """Log in, select the database, name the connection and return what the server says it is.

    `deadline_s` is on the clock of `time.monotonic`. Raises TransportError; a refused login is a ReplyError.
    """
    if connection.closed:
        raise Unavailable("the connection was closed as soon as it was made")
    commands: list[tuple[str | int, ...]] = []
    if address.password:
        commands.append(("AUTH", *([address.username] if address.username else []), address.password))
    if address.database:
        commands.append(("SELECT", address.database))
    commands += [("CLIENT", "SETNAME", _CLIENT_NAME), ("INFO", "server"), ("INFO", "replication")]
    replies = await _all([connection.submit(pack(command), deadline_s) for command in commands])
    return _server(_info_fields(replies[-2]) | _info_fields(replies[-1]))


async def _all(futures: Sequence[asyncio.Future[Reply]]) -> list[Reply]:
    """Return all replies, or raise the first error in the order of the commands."""
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    replies: list[Reply] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        replies.append(outcome)
    return replies


def _info_fields(reply: Reply) -> dict[str, str]:
    if not isinstance(reply, bytes):
        raise Unavailable("the server's answer to INFO is not text")
    lines = reply.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _server(fields: dict[str, str]) -> Server:
    if fields.get("role") == "slave":
        # It refuses every write, and once promoted it has another identity, with nothing on this connection
        # to tell of it. So a replica is not connected to; the next attempt looks again.
        raise Unavailable("the server is a replica")
    name = fields.get("server_name", "redis")  # Redis itself does not send this field
    # Valkey's redis_version stays at the one of Redis from which it departed.
    version_field = "valkey_version" if name == "valkey" else "redis_version"
    try:
        return Server(
            identity=Identity(run_id=fields["run_id"], master_replid=fields["master_replid"]),
            name=name,
            version=fields[version_field],
        )
    except KeyError as missing:
        raise Unavailable(f"the server's INFO lacks the field {missing}") from None
