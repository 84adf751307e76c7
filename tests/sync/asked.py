"""Attempts at pulls, and the question what became of them."""

import secrets

from croupier.command import Caller
from croupier.engine import Engine
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.ops import OP
from croupier.query import Sources
from croupier_schemas.gacha import GachaPull
from croupier_schemas.ops import OpQuery, OpReply
from tests.sync.support import Casino

ME = 1


async def pull(casino: Casino) -> bytes:
    """A pull; the id of the attempt."""
    op_id = new_op(casino)
    await attempt(casino.engine, op_id)
    return op_id


async def attempt(engine: Engine, op_id: bytes, key: str = "") -> None:
    """A pull by that attempt. Raises CroupierError."""
    await engine.execute(PULL, Caller(ME, "VIP", "user", op_id, key), GachaPull(1, "standard", False))


def new_op(casino: Casino) -> bytes:
    return OpIds(casino.engine.now_ms).new()


def op_made(at_ms: int) -> bytes:
    """The id of an attempt made then."""
    return OpIds(lambda: at_ms).new()


async def ask(sources: Sources, op_id: bytes) -> OpReply:
    caller = Caller(ME, "VIP", "user", secrets.token_bytes(16))
    reply: OpReply = await OP.answer(sources, caller, OpQuery(op_id.hex()))
    return reply


async def outcome(sources: Sources, op_id: bytes) -> str:
    return (await ask(sources, op_id)).outcome
