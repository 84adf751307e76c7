"""Access tokens: JWTs signed with HS256 that name the player, the tier, the role and their own end."""

import secrets
import time
from typing import Annotated, Final, Literal

import jwt
import msgspec
from msgspec import Meta

from croupier.errors import CroupierError
from croupier.settings import SettingsError
from croupier.signing_secret import why_short
from croupier_schemas.economy import Tier

Role = Literal["user", "admin"]

UID_MAX: Final = 2**53 - 1

_ALGORITHM: Final = "HS256"
_CLOCK_SKEW_S: Final = 60
_REMEMBERED_MAX: Final = 20_000


class Claims(msgspec.Struct, frozen=True):
    """The claims of an access token. `iat` and `exp` are Unix times in seconds."""

    sub: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,15}\Z")]
    tier: Tier
    role: Role
    iat: int
    exp: int
    jti: Annotated[str, Meta(min_length=1, max_length=128)]


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who a token stands for, until the Unix time `expires_s`."""

    uid: int
    tier: Tier
    role: Role
    expires_s: int


def make_token(secret: str, uid: int, tier: Tier, role: Role, ttl_s: int) -> str:
    """An access token, valid for `ttl_s` seconds from now. Raises SettingsError for a short secret."""
    now_s = int(time.time())
    claims = Claims(str(uid), tier, role, now_s, now_s + ttl_s, secrets.token_hex(16))
    return jwt.encode(msgspec.to_builtins(claims), checked_secret(secret), algorithm=_ALGORITHM)


def checked_secret(secret: str) -> str:
    """The secret itself. Raises SettingsError where it is too short to protect anything."""
    if why := why_short(secret):
        raise SettingsError(f"JWT_SECRET_KEY {why}; `croupier up` makes one in its data directory")
    return secret


class Authenticator:
    """Reads `Authorization` headers. One that proved good is remembered until its token expires."""

    def __init__(self, secret: str) -> None:
        self._secret = checked_secret(secret)
        self._remembered: dict[str, Identity] = {}

    def identify(self, authorization: str | None) -> Identity:
        """Who sends this header. Raises CroupierError UNAUTHENTICATED."""
        if authorization is None:
            raise _refused("the header `Authorization: Bearer <token>` is missing")
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" and scheme.lower() != "bearer":
            raise _refused("the scheme of the header `Authorization` is not Bearer")
        identity = self._remembered.get(token)
        if identity is None:
            identity = self._verify(token)
            if len(self._remembered) >= _REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[token] = identity
        elif identity.expires_s <= time.time():
            del self._remembered[token]
            raise _refused("the token has expired")
        return identity

    def _verify(self, token: str) -> Identity:
        # PyJWT forgives white space around a token, and each form of it would be remembered as another token.
        if not token.isascii() or " " in token or "\t" in token:
            raise _refused("the token is not valid")
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                options={"require": list(Claims.__struct_fields__), "verify_iat": False},
            )
            claims = msgspec.convert(payload, Claims)
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            # Not which check failed: that would be of use to a forger only.
            raise _refused("the token is not valid") from None
        if int(claims.sub) > UID_MAX or claims.iat > time.time() + _CLOCK_SKEW_S:
            raise _refused("the token is not valid")
        return Identity(int(claims.sub), claims.tier, claims.role, claims.exp)


def _refused(why: str) -> CroupierError:
    return CroupierError("UNAUTHENTICATED", f"A valid access token is needed: {why}.")
