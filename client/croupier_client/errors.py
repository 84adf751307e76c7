"""What calls raise. All of it can be pickled, and none of it holds a token."""

from collections.abc import Mapping
from typing import Any, Final, Self

from croupier_schemas.errors import ERRORS

_HEAD: Final = frozenset({"detail", "code", "message", "request_id", "details"})

MAY_HAVE_RUN: Final = frozenset({"OUTCOME_UNKNOWN", "DURABILITY_TIMEOUT", "INTERNAL"})
"""Codes of errors after which a command may have had its effect; the same idempotency key gives the true answer, as
long as the server holds it."""


class ClientError(Exception):
    """What is common to the errors of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.__dict__)


def _again(kind: type[ClientError], facts: dict[str, Any]) -> ClientError:
    return kind(**facts)


class CroupierRefused(ClientError):
    """The server has answered with an error: what was asked for was not done.

    `code` never changes its meaning, and docs/errors.md lists all; an answer without one, as a proxy may give it, has
    `HTTP_` and its status. `fields` are the further members of the error's body, such as `balance` and `required`;
    `details` says which argument was wrong. `retry_after_s` is when to try again, None where that is not said. `op_id`
    is the id of the attempt, empty where it was at no command.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int,
        details: Mapping[str, Any] | None = None,
        request_id: str = "",
        retry_after_s: float | None = None,
        fields: Mapping[str, Any] | None = None,
        op_id: str = "",
    ) -> None:
        self.code = code
        self.message = message
        self.status = status
        self.details = dict(details or {})
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.fields = dict(fields or {})
        self.op_id = op_id
        super().__init__(code)

    def __str__(self) -> str:
        wrong = f" ({self.details})" if self.details else ""
        wait = f" Retry-After: {self.retry_after_s:g} s." if self.retry_after_s is not None else ""
        kind = ERRORS.get(self.code)
        advice = f" Repeat it? {kind.retry}" if kind else ""
        return f"{self.code} ({self.status}): {self.message}{wrong}{advice}{wait} [request {self.request_id or '-'}]"

    @classmethod
    def of_body(cls, status: int, body: object, retry_after_s: float | None, op_id: str = "") -> Self:
        """From the body of an error's reply, or of something that is none."""
        members: dict[str, Any] = body if isinstance(body, dict) else {}
        code, message, details = members.get("code"), members.get("message"), members.get("details")
        if not isinstance(code, str) or not isinstance(message, str):
            return cls(f"HTTP_{status}", "This is no answer of Croupier: is a proxy in between?", status)
        return cls(
            code,
            message,
            status,
            details if isinstance(details, dict) else None,
            str(members.get("request_id", "")),
            retry_after_s,
            {name: value for name, value in members.items() if name not in _HEAD},
            op_id,
        )


class CroupierUnavailable(ClientError):
    """No answer that settles it came in time, after `attempts` attempts.

    `may_have_run` says whether it may have been done all the same; a command that is repeated under the same
    `idempotency_key` then gives the true answer, and is not done twice, for ten minutes from the first attempt (the
    server's IDEMPOTENCY_TTL_SECONDS): after those the key is forgotten, and the command would run once more. `code`,
    `request_id` and `op_id` are those of the last error that the server answered, empty where it answered none; what
    became of the attempt `op_id`, `op` tells.
    """

    def __init__(
        self,
        message: str,
        may_have_run: bool = False,
        idempotency_key: str = "",
        attempts: int = 0,
        code: str = "",
        request_id: str = "",
        op_id: str = "",
    ) -> None:
        self.message = message
        self.may_have_run = may_have_run
        self.idempotency_key = idempotency_key
        self.attempts = attempts
        self.code = code
        self.request_id = request_id
        self.op_id = op_id
        super().__init__(message)

    def __str__(self) -> str:
        advice = "It was not done, and can be repeated."
        if self.may_have_run and self.idempotency_key:
            advice = (
                f"It may have been done: the key {self.idempotency_key!r} gives the true answer when repeated "
                "within ten minutes (the server's IDEMPOTENCY_TTL_SECONDS)."
            )
        elif self.may_have_run:
            advice = "It may have been done: look before you repeat it."
        tried = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.message}{tried}. {advice}"


class CroupierProtocolError(ClientError):
    """The server answered something that this version of the client cannot read.

    Is it a server of Croupier, and not newer by a major version? A command may have run: see `idempotency_key`.
    """

    def __init__(self, message: str, idempotency_key: str = "") -> None:
        self.message = message
        self.idempotency_key = idempotency_key
        super().__init__(message)

    def __str__(self) -> str:
        return self.message
