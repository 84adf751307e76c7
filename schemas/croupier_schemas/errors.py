"""Every error code of the API: its status, what it means, whether to try again. `docs/errors.md` is made from this."""

import msgspec


class ErrorKind(msgspec.Struct, frozen=True):
    """One error code. `fields` are the extra members of the reply's body."""

    code: str
    status: int
    message: str
    retry: str
    fields: tuple[str, ...] = ()


NEVER = "No: the same request fails again until its cause is gone."
AFTER = "Yes: after `Retry-After`, with jitter and the same `Idempotency-Key`."
SAME_KEY = "Yes: at once, with the same `Idempotency-Key`, which gives the true answer."
FIX = "No: correct the request first."
AGAIN = "Yes: nothing was done."

_KINDS = (
    ErrorKind("MALFORMED_REQUEST", 400, "The request is not well-formed HTTP or JSON.", FIX),
    ErrorKind("UNAUTHENTICATED", 401, "A valid access token is needed.", FIX),
    ErrorKind("FORBIDDEN", 403, "This token does not allow that.", NEVER),
    ErrorKind("PLAYER_BANNED", 403, "This player is banned.", NEVER),
    ErrorKind(
        "PLAYER_EXCLUDED", 403, "This player is excluded from play for now.", NEVER, ("excluded_until",)
    ),
    ErrorKind("NOT_FOUND", 404, "There is nothing at this address.", NEVER),
    ErrorKind("BANNER_NOT_FOUND", 404, "There is no such banner in this version of the economy.", FIX),
    ErrorKind("ECONOMY_NOT_FOUND", 404, "There is no such version of the economy.", FIX),
    ErrorKind("RECEIPT_NOT_FOUND", 404, "There is no event of that id, or it is not yours to see.", FIX),
    ErrorKind("METHOD_NOT_ALLOWED", 405, "This address does not take that method.", FIX, ("allow",)),
    ErrorKind("REQUEST_TIMEOUT", 408, "The body of the request did not arrive in time.", AGAIN),
    ErrorKind(
        "INSUFFICIENT_BALANCE",
        409,
        "The balance does not cover the price.",
        NEVER,
        ("balance", "required", "currency"),
    ),
    ErrorKind("PAYLOAD_TOO_LARGE", 413, "The body is larger than this address takes: mostly 64 KiB.", FIX),
    ErrorKind("UNSUPPORTED_MEDIA_TYPE", 415, "The body must be application/json.", FIX),
    ErrorKind("VALIDATION_ERROR", 422, "The request breaks a rule of its schema.", FIX, ("details",)),
    ErrorKind(
        "IDEMPOTENCY_KEY_REUSED",
        422,
        "This idempotency key was used for another request.",
        "No: use a new key for a new request.",
    ),
    ErrorKind("PREMIUM_NOT_AVAILABLE", 422, "This banner has no price in gems.", FIX),
    ErrorKind("CRASH_BET_ACTIVE", 409, "A crash bet is open: cash out, or wait for its end.", NEVER),
    ErrorKind(
        "BALANCE_CAP",
        409,
        "What this may pay does not fit under the largest balance.",
        NEVER,
        ("balance", "max"),
    ),
    ErrorKind("CRASH_NO_ACTIVE_BET", 404, "There is no open crash bet of that id.", NEVER),
    ErrorKind("SESSION_NOT_FOUND", 404, "There is no such session of yours.", FIX),
    ErrorKind("PLAYER_NOT_FOUND", 404, "There is no such player; one exists from its first command on.", FIX),
    ErrorKind(
        "BET_OUT_OF_RANGE", 422, "The bet is not one that this game takes.", FIX, ("min", "max", "step")
    ),
    ErrorKind("UPGRADE_REQUIRED", 426, "This address takes WebSocket handshakes only.", FIX),
    ErrorKind(
        "RATE_LIMITED",
        429,
        "Too many calls; the header `RateLimit` says which window is full.",
        AFTER,
        ("scope", "window", "limit_per_second", "limit_per_minute"),
    ),
    ErrorKind(
        "DAILY_GACHA_LIMIT",
        429,
        "The daily number of pulls is used up.",
        "Yes: after `Retry-After`, which ends at `resets_at`.",
        ("limit", "used", "resets_at"),
    ),
    ErrorKind("MAINTENANCE", 503, "The games are closed for maintenance; cash-outs go on.", AFTER),
    ErrorKind("GAME_DISABLED", 503, "This game is switched off for now.", AFTER),
    ErrorKind("INTERNAL", 500, "The server failed; the log has the cause under this request id.", SAME_KEY),
    ErrorKind(
        "OUTCOME_UNKNOWN",
        503,
        "The connection to Redis broke after the command was sent; it may or may not have run.",
        SAME_KEY,
    ),
    ErrorKind(
        "DURABILITY_TIMEOUT",
        503,
        "The command has run, but Postgres has not confirmed it in time.",
        SAME_KEY,
    ),
    ErrorKind(
        "NOT_APPLIED",
        503,
        "Redis lost the command before Postgres had it: nothing of it stands.",
        AFTER,
    ),
    ErrorKind("NOT_READY", 503, "The engine cannot take commands right now; nothing was done.", AFTER),
    ErrorKind("OVERLOADED", 503, "There is no room for more right now; nothing was done.", AFTER),
    ErrorKind("EXPIRED", 503, "The command reached Redis after its deadline; nothing was done.", AFTER),
)

ERRORS = {kind.code: kind for kind in _KINDS}
