"""Who opens a socket: a header `Authorization`, or `?token=`, or `?ticket=`, and only one of them."""

from typing import cast

from aiohttp import hdrs, web

from croupier.errors import CroupierError
from croupier.query import Sources
from croupier.tickets import redeem
from croupier_http.auth import Authenticator, Identity, Role
from croupier_http.endpoints import single_header


class Credentials:
    """What a handshake shows. Making it raises CroupierError UNAUTHENTICATED, and MALFORMED_REQUEST."""

    def __init__(self, request: web.BaseRequest, authenticator: Authenticator) -> None:
        query = request.query
        header = single_header(request.headers, hdrs.AUTHORIZATION)
        tokens, tickets = query.getall("token", []), query.getall("ticket", [])
        if len(tokens) + len(tickets) + (header is not None) > 1:
            raise CroupierError(
                "MALFORMED_REQUEST", "Send one header, one token or one ticket, and only that."
            )
        self._ticket = tickets[0] if tickets else None
        self._identity: Identity | None = None
        if self._ticket is None:
            self._identity = authenticator.identify(f"Bearer {tokens[0]}" if tokens else header)

    @property
    def are_proven(self) -> bool:
        """Whether it is known already that they are good: a ticket is looked at last, as that uses it up."""
        return self._identity is not None

    async def identify(self, sources: Sources) -> Identity:
        """Who it is. A ticket is used up by this. Raises CroupierError UNAUTHENTICATED, NOT_READY."""
        if self._identity is not None:
            return self._identity
        assert self._ticket is not None
        admitted = await redeem(sources, self._ticket)
        if admitted is None:
            raise CroupierError("UNAUTHENTICATED", "The ticket is unknown, was used, or is too old.")
        return Identity(admitted.uid, admitted.tier, cast(Role, admitted.role), admitted.expires_s)
