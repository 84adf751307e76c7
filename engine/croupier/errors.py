"""The error that every part of the engine raises towards its callers."""

from croupier_schemas.errors import ERRORS


class CroupierError(Exception):
    """A refusal or failure with one of the codes of `croupier_schemas.errors`.

    `fields` become members of the reply's body; `retry_after_s` becomes `Retry-After`, in whole seconds, at least 1.
    """

    def __init__(
        self, code: str, message: str = "", *, retry_after_s: float | None = None, **fields: object
    ) -> None:
        self.kind = ERRORS[code]
        self.message = message or self.kind.message
        self.retry_after_s = retry_after_s
        self.fields = fields
        super().__init__(f"{code}: {self.message}")

    @property
    def code(self) -> str:
        return self.kind.code
