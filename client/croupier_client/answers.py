"""What the server says beside a reply."""

from typing import Generic, TypeVar

import msgspec

Reply = TypeVar("Reply")


class Answer(msgspec.Struct, Generic[Reply], frozen=True):
    """A reply, and what stood beside it.

    `replayed`: the command had been done before under this key, and this is the answer that it got then.
    `would_be_limited`: the server is trying its rate limits out, and would have refused this call.
    `op_id` is the id of the attempt that was answered, as the server's log has it; empty over a socket.
    """

    reply: Reply
    replayed: bool = False
    would_be_limited: bool = False
    op_id: str = ""
