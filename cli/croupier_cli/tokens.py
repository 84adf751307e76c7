"""`croupier token`."""

import os
from typing import Annotated

from cyclopts import Parameter, validators

from croupier.settings import Settings
from croupier_cli.data_directory import read_secrets
from croupier_cli.errors import CannotRun
from croupier_cli.output import result
from croupier_http.auth import UID_MAX, Role, make_token
from croupier_schemas.economy import Tier

_TTL_S_MAX = 10 * 365 * 86_400


def token(
    *,
    user: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=UID_MAX))],
    tier: Tier = "STANDARD",
    role: Role = "user",
    ttl: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=_TTL_S_MAX))] = 3600,
) -> None:
    """Print an access token, and nothing else.

    It is signed with JWT_SECRET_KEY; where that is not set, with the secret that `croupier up` keeps in the data
    directory.

    Example: `croupier token --user 42 --tier VIP`

    Parameters
    ----------
    user:
        Id of the player.
    tier:
        Tier of the player.
    role:
        `admin` opens what only administrators may see.
    ttl:
        Lifetime in seconds.
    """
    secret = signing_secret(Settings.from_environment(os.environ))
    result(make_token(secret, user, tier, role, ttl))


def signing_secret(settings: Settings) -> str:
    """What access tokens are signed with: the setting, else the secret of the data directory. Raises CannotRun."""
    secret = settings.jwt_secret_key or read_secrets(settings.data_dir).get("JWT_SECRET_KEY")
    if not secret:
        raise CannotRun(
            f"JWT_SECRET_KEY is not set, and {settings.data_dir} holds none: `croupier up` makes one there"
        )
    return secret
