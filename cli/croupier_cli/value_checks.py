"""Checks of settings by those parts that use them: what can be known of a value without asking any server."""

from collections.abc import Callable
from typing import Final

from croupier.fairness.seeds import MasterKeys
from croupier.settings import Settings
from croupier_cli.economies import configured_economy
from croupier_cli.servers import require_redis_url
from croupier_http import error_reports
from croupier_http.addresses import Addresses
from croupier_http.cors import Cors


def _redis(settings: Settings) -> None:
    if settings.redis_url:
        require_redis_url(settings.redis_url)


def _master_keys(settings: Settings) -> None:
    if settings.master_keys:
        MasterKeys.parse(settings.master_keys)


def _cors(settings: Settings) -> None:
    Cors.parse(settings.cors_origins)


def _proxies(settings: Settings) -> None:
    Addresses.parse(settings.trusted_proxies)


def _economy(settings: Settings) -> None:
    configured_economy(settings)


VALUE_CHECKS: Final[tuple[Callable[[Settings], None], ...]] = (
    _redis,
    _master_keys,
    _cors,
    _proxies,
    _economy,
    error_reports.check,
)
"""Each raises an error that `croupier_cli.failures` has a line for, which says what is wrong with one setting."""
