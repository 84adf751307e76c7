"""What can go wrong with a call. Each error says whether the command may have run on the server."""

from typing import Final

# Said by a server that is not, or no longer, the one to talk to: connect again and learn who is there now.
MOVED_AWAY_CODES: Final = frozenset({"READONLY", "MASTERDOWN", "MOVED"})

# Said instead of executing anything, so the same command may be sent again. No script may return them itself.
REFUSED_CODES: Final = MOVED_AWAY_CODES | {"LOADING", "BUSY", "TRYAGAIN", "ASK"}

# Said instead of executing a script: also by a server that does not have it.
NOT_EXECUTED_CODES: Final = REFUSED_CODES | {"NOSCRIPT"}


class TransportError(Exception):
    """Base of everything that the transport raises for a call."""


class Unavailable(TransportError):
    """The command did not run: no part of it was written. Repeating it is safe."""


class Overloaded(Unavailable):
    """The command did not run: as many calls as allowed were in flight. Repeating it later is safe."""


class OutcomeUnknown(TransportError):
    """The command may or may not have run, or may still run.

    It was written, and then its deadline passed or the connection was lost. Never repeated by the transport.
    """


class ReplyError(TransportError):
    """The server answered with an error, such as `WRONGTYPE` or `NOSCRIPT`.

    With a code of `REFUSED_CODES` the command did not run. With any other code it depends on the command: a
    plain command changed nothing, but a script that fails midway keeps what it wrote before.

    As part of a nested reply (`EXEC`, a script that returns an error among other values) it is not raised but
    stands in the list.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code} {self.message}" if self.message else self.code


def reply_error(line: str) -> ReplyError:
    """Make the error from the server's error line: the code up to the first space, then the message."""
    code, _, message = line.partition(" ")
    return ReplyError(code, message)
