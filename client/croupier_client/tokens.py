"""The access token: a text, or something that gives one, which is asked again when the server refuses it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final

from croupier_client.errors import CroupierUnavailable

Token = str | Callable[[], str | Awaitable[str]]

RENEWAL_S: Final = 10.0
"""How long whoever gives tokens may take."""


class NoToken(CroupierUnavailable):
    """Whoever gives tokens has failed; why is in the error's cause."""


class Tokens:
    """Gives the token in force. Nothing of it is in its `repr`."""

    __slots__ = ("_lock", "_source", "_token")

    def __init__(self, source: Token) -> None:
        self._source = source
        self._token = source if isinstance(source, str) else ""
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return "<Tokens>"

    async def current(self) -> str:
        """The token. Raises NoToken."""
        return self._token or await self._renewed("") or ""

    async def after(self, refused: str) -> str | None:
        """Another token than the one that was refused; None where there is none. Raises NoToken."""
        if isinstance(self._source, str):
            return None
        return await self._renewed(refused)

    async def _renewed(self, refused: str) -> str | None:
        async with self._lock:  # many calls may be refused at once, and one new token will do for all
            if self._token == refused:
                self._token = await self._given()
            return None if self._token == refused else self._token

    async def _given(self) -> str:
        assert not isinstance(self._source, str)
        try:
            async with asyncio.timeout(RENEWAL_S):
                given = self._source()
                return await given if inspect.isawaitable(given) else given
        except Exception as error:
            raise NoToken(f"no access token: {type(error).__name__} where it was asked for") from error
