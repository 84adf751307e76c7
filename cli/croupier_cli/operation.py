"""Connections for a command that operates a casino: its Redis and its Postgres, checked to belong together."""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg

from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.data_directory import find_servers
from croupier_cli.servers import postgres, redis, require, require_same_installation
from croupier_http import error_reports, logs


class Casino(NamedTuple):
    """Connections to its two servers."""

    transport: Transport
    connection: asyncpg.Connection


def operator_settings(*required: str) -> Settings:
    """The settings of the environment, with the servers of a running `croupier up` where it names none.

    Raises SettingsError that names those of the required variables that are still not set.
    """
    settings = find_servers(Settings.from_environment(os.environ))
    require(settings, *required)
    logs.configure(settings.log_level)
    error_reports.start(settings)
    return settings


@contextlib.asynccontextmanager
async def casino(settings: Settings) -> AsyncIterator[Casino]:
    """Connect to both servers. Raises InstallationMismatch where they do not belong together, and what is raised by
    `croupier_cli.servers`."""
    async with redis(settings.redis_url) as transport, postgres(settings.database_url) as connection:
        await require_same_installation(transport, connection)
        yield Casino(transport, connection)
