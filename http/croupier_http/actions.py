"""What answers actions: requests that change something outside of the games."""

from typing import Any

import msgspec
from aiohttp import hdrs, web

from croupier.action import Action
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.query import Sources
from croupier_http.auth import Authenticator
from croupier_http.bodies import read_body
from croupier_http.decoding import Decoder
from croupier_http.endpoints import Places, single_header
from croupier_http.operations import placeholders
from croupier_http.replies import Answer

_encode = msgspec.json.Encoder().encode


class ActionEndpoint:
    """Does an action for the caller named by the token."""

    def __init__(
        self, action: Action[Any, Any], sources: Sources, authenticator: Authenticator, body_timeout_s: float
    ) -> None:
        self._action = action
        self._sources = sources
        self._authenticator = authenticator
        self._body_timeout_s = body_timeout_s
        self._decoder = Decoder(action.request, nested=True)
        self._has_places = bool(placeholders(action.path))

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        identity = self._authenticator.identify(single_header(request.headers, hdrs.AUTHORIZATION))
        if self._action.access == "admin" and identity.role != "admin":
            raise CroupierError("FORBIDDEN")
        body = await read_body(request, self._body_timeout_s)
        asked = self._decoder.query(places.items()) if self._has_places else self._decoder.body(body)
        caller = Caller(identity.uid, identity.tier, identity.role, op_id)
        return Answer(_encode(await self._action.act(self._sources, caller, identity.expires_s, asked)))
