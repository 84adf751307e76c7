"""Everything that can be found wrong before a worker is started."""

from pathlib import Path

from croupier.economy import EconomyError, load_economy
from croupier.fairness.seeds import MasterKeys
from croupier.partition import PartitionError
from croupier.settings import Settings, SettingsError
from croupier.standalone import BelongsToPostgres, own_head
from croupier.transport import Transport, TransportError
from croupier_http.addresses import Addresses
from croupier_http.auth import checked_secret
from croupier_http.checks import RedisUnsuitable, check_redis
from croupier_http.cors import Cors
from croupier_http.protocol import require_c_parser
from croupier_schemas.economy import Economy


async def preflight(settings: Settings) -> None:
    """Raises SettingsError, and CannotServe, for one where Redis is there already and must not be used.

    A Redis that is not there may come later, and is looked at then.
    """
    require_c_parser()
    checked_secret(settings.jwt_secret_key)
    Cors.parse(settings.cors_origins)
    Addresses.parse(settings.trusted_proxies)
    MasterKeys.parse(settings.master_keys)
    if not settings.database_url:
        load_configured_economy(settings)
        if settings.durability == "postgres":
            raise SettingsError("CROUPIER_DURABILITY=postgres needs DATABASE_URL")
    transport = connect_later(settings)
    try:
        await transport.open()
        await check_redis(transport)
        if not settings.database_url:
            await own_head(transport)
    except BelongsToPostgres as error:
        raise RedisUnsuitable(str(error)) from None
    except (TransportError, PartitionError):
        pass  # it may get better, and the workers' logs tell
    finally:
        await transport.close()


def connect_later(settings: Settings) -> Transport:
    """A transport that is not open yet. Raises SettingsError for an unusable URL."""
    try:
        return Transport(settings.redis_url, in_flight_max=settings.in_flight_max)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None


def load_configured_economy(settings: Settings) -> Economy:
    """The economy that is put in force where there is none yet. Raises SettingsError."""
    try:
        return load_economy(Path(settings.economy) if settings.economy else None)
    except EconomyError as error:
        raise SettingsError(f"CROUPIER_ECONOMY: {'; '.join(str(error).splitlines())}") from None
