"""A scripted exchange: commands together with the exact bytes that a server answers and what they mean."""

from dataclasses import dataclass

import hiredis

from croupier.transport import Reply, ReplyError


@dataclass(frozen=True)
class Step:
    command: tuple[str | bytes | int, ...]
    reply_bytes: bytes
    reply: object  # in the form that `plain` makes
    counter: str | None = None  # the key that the command increments, if it does


def exchange(prefix: str) -> list[Step]:
    """Return one step for each kind of reply. `prefix` keeps the keys of one round apart from another's."""
    text, first, second, third = (f"{prefix}:{name}" for name in ("text", "1st", "2nd", "3rd"))
    nested = r"return {1, {'x\r\ny', false, {}}, 'z'}"
    return [
        Step(("SET", text, b"a\r\nb"), b"+OK\r\n", b"OK"),
        Step(("INCR", first), b":1\r\n", 1, counter=first),
        Step(("GET", text), b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        Step(("GET", f"{prefix}:missing"), b"$-1\r\n", None),
        Step(
            ("EVAL", nested, 0),
            b"*3\r\n:1\r\n*3\r\n$4\r\nx\r\ny\r\n$-1\r\n*0\r\n$1\r\nz\r\n",
            [1, [b"x\r\ny", None, []], b"z"],
        ),
        Step(
            ("INCR", text),
            b"-ERR value is not an integer or out of range\r\n",
            ("error", "ERR", "value is not an integer or out of range"),
        ),
        Step(("INCR", second), b":1\r\n", 1, counter=second),
        Step(("ECHO", ""), b"$0\r\n\r\n", b""),
        Step(("DECRBY", f"{prefix}:minus", 12), b":-12\r\n", -12),
        Step(
            ("EVAL", "return {redis.error_reply('OOPS in a list'), 2}", 0),
            b"*2\r\n-OOPS in a list\r\n:2\r\n",
            [("error", "OOPS", "in a list"), 2],
        ),
        Step(("LRANGE", f"{prefix}:missing", 0, -1), b"*0\r\n", []),
        Step(("INCR", third), b":1\r\n", 1, counter=third),
    ]


def plain(outcome: Reply | BaseException) -> object:
    """Return a reply or a ReplyError in a form that compares by value; other exceptions as their type."""
    if isinstance(outcome, ReplyError):
        return ("error", outcome.code, outcome.message)
    if isinstance(outcome, BaseException):
        return type(outcome)
    if isinstance(outcome, list):
        return [plain(item) for item in outcome]
    return outcome


def reply_ends(steps: list[Step]) -> list[int]:
    """Return for each step the number of reply bytes up to and including its own."""
    return _running_sum([len(step.reply_bytes) for step in steps])


def request_ends(steps: list[Step]) -> list[int]:
    """Return for each step the number of request bytes up to and including its own."""
    return _running_sum([len(hiredis.pack_command(step.command)) for step in steps])  # type: ignore[arg-type]


def _running_sum(lengths: list[int]) -> list[int]:
    return [sum(lengths[: index + 1]) for index in range(len(lengths))]
