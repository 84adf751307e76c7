"""Cross-origin requests: which pages of other sites may read replies. None by default."""

from typing import Final

from croupier.settings import SettingsError

_ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
_EXPOSED_HEADERS: Final = (
    "Idempotent-Replayed, Op-Id, RateLimit, RateLimit-Policy, Retry-After, X-RateLimit-Sim, X-Request-Id"
)
_PREFLIGHT_MAX_AGE_S: Final = 600


class Cors:
    """Headers for a set of origins such as `https://play.example`; `*` allows every one."""

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins

    @classmethod
    def parse(cls, text: str) -> "Cors | None":
        """From `CROUPIER_CORS_ORIGINS`, joined by commas; None where it is empty. Raises SettingsError."""
        origins = frozenset(filter(None, (origin.strip() for origin in text.split(","))))
        for origin in origins:
            scheme, separator, host = origin.partition("://")
            if origin != "*" and not (scheme in {"http", "https"} and separator and host and "/" not in host):
                raise SettingsError(
                    f"CROUPIER_CORS_ORIGINS: {origin!r} is not an origin such as https://play.example"
                )
        return cls(origins) if origins else None

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin are among them."""
        return "*" in self._origins or origin in self._origins

    def headers(self, origin: str | None) -> str:
        """Header lines of a reply to this origin."""
        if "*" in self._origins:
            allowed = "*"
        elif origin in self._origins:
            allowed = origin
        else:
            return "Vary: Origin\r\n"
        return (
            f"Vary: Origin\r\nAccess-Control-Allow-Origin: {allowed}\r\n"
            f"Access-Control-Expose-Headers: {_EXPOSED_HEADERS}\r\n"
        )

    def preflight(self, methods: list[str]) -> str:
        """Further header lines of the reply to a preflight request."""
        return (
            f"Access-Control-Allow-Methods: {', '.join(methods)}\r\n"
            f"Access-Control-Allow-Headers: {_ALLOWED_HEADERS}\r\n"
            f"Access-Control-Max-Age: {_PREFLIGHT_MAX_AGE_S}\r\n"
        )
