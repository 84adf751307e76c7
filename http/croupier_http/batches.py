"""What answers batches: one request, many runs of a command."""

from typing import Any

import msgspec
from aiohttp import hdrs, web

from croupier.batch import Batch, Unusable, run_batch
from croupier.command import Caller, Outcome
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.op_id import OpIds
from croupier_http.auth import UID_MAX, Authenticator
from croupier_http.bodies import read_body
from croupier_http.decoding import Decoder
from croupier_http.endpoints import Places, idempotency_key, set_clock, single_header
from croupier_http.metrics import CommandTally
from croupier_http.replies import Answer
from croupier_http.validation import invalid

_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch as it comes: whether an item is usable is found out one by one."""

    items: list[object]


class BatchEndpoint:
    """Runs batches, for admins only. Each item is an attempt of its own, with an id of `op_ids`."""

    def __init__(
        self,
        batch: Batch[Any, Any],
        engine: Engine,
        authenticator: Authenticator,
        op_ids: OpIds,
        body_timeout_s: float,
    ) -> None:
        self._batch = batch
        self._engine = engine
        self._authenticator = authenticator
        self._op_ids = op_ids
        self._body_timeout_s = body_timeout_s
        self._bodies = Decoder(_Body, nested=True)
        self._items = Decoder(batch.command.request)
        self.outcomes = CommandTally(batch.command.name)

    async def answer(self, request: web.BaseRequest, op_id: bytes, _places: Places) -> Answer:
        """200 whatever came of the items. Raises CroupierError where the request as a whole is not to be run."""
        headers = request.headers
        identity = self._authenticator.identify(single_header(headers, hdrs.AUTHORIZATION))
        if identity.role != "admin":  # before the body is read, of which others may not send as much
            raise CroupierError("FORBIDDEN")
        body = await read_body(request, self._body_timeout_s, self._batch.body_bytes_max)
        key = idempotency_key(headers)
        items = self._bodies.body(body).items
        if not 1 <= len(items) <= self._batch.items_max:
            allowed = f"an array of 1 to {self._batch.items_max} items"
            raise invalid("items", f"{len(items)} items", len(items), allowed)
        set_clock(self._engine, headers)
        caller = Caller(identity.uid, identity.tier, identity.role, op_id, key)
        usable = [self._item(document) for document in items]
        attempts = await run_batch(self._engine, self._batch, caller, usable, self._op_ids.new)
        for attempt in attempts:
            self._count(attempt.outcome)
        return Answer(_encode(self._batch.answer(attempts)))

    def _item(self, document: object) -> msgspec.Struct | Unusable:
        try:
            item: msgspec.Struct = self._items.value(document)
        except CroupierError as error:
            return Unusable(_player(document), error)
        return item

    def _count(self, outcome: Outcome[Any] | CroupierError) -> None:
        if isinstance(outcome, CroupierError):
            self.outcomes.count(outcome.code)
        elif outcome.replayed:
            self.outcomes.replayed()
        else:
            self.outcomes.count("ok")


def _player(document: object) -> int | None:
    """The player whom an unusable item names, as far as it does."""
    members = document if isinstance(document, dict) else {}
    uid = members.get("user_id", members.get("userId"))
    return uid if type(uid) is int and 1 <= uid <= UID_MAX else None
