"""The fixtures of the tests of the sync daemon."""

from tests.sync.conftest import casino, connection, pool, transport

__all__ = ["casino", "connection", "pool", "transport"]
