"""The calls of scripts that commands make: names of keys, and arguments."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

import croupier_lua
from croupier.binding import NO_RATE, Binding
from croupier.errors import CroupierError
from croupier.frame import Frame
from croupier.op_id import OP_LIFETIME_MS, made_ms
from croupier.reply import keep
from croupier.run import AnyRun, encode
from croupier.scripts import Script
from croupier.sessions.rules import IDLE_MS, session_bit
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.events import EventHeader, encode_header

if TYPE_CHECKING:
    from croupier.engine import Engine


Call = tuple[Script, list[str], list[bytes | str]]
"""A script, the names of its keys, and its arguments."""


class Calls:
    """Makes calls from runs: of a command's own script, or of the one that looks whether it was done before."""

    def __init__(self, engine: "Engine", clock_ms: Callable[[], int] | None) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._idempotency_ms = engine.settings.idempotency_ttl_seconds * 1000

    def prepare(self, run: AnyRun, left_ms: int) -> Call:
        """The call of an attempt that may take `left_ms`, and in `run` the terms; or why it may not begin, by the
        economy or for want of room, and the call that confirms that.

        What is refused here is refused under the economy that this process believes in, which may be an old one; and
        it may have been done before under the same key. The script knows both.
        """
        engine, command, context, bindings = self._engine, run.command, run.context, run.view.bindings
        not_after_ms = context.now_ms + left_ms
        if engine.injected_clock is None:
            not_after_ms = min(not_after_ms, made_ms(context.caller.op_id) + OP_LIFETIME_MS)
        binding = bindings.get(command.name)
        if binding is None:
            binding = bindings[command.name] = Binding(command, engine.scripts[command.name], run.view)
        try:
            if not command.ends:
                engine.room.require()
            run.terms, run.refused = command.terms(context, run.request), None
            return self._own(run, binding, not_after_ms)
        except CroupierError as error:
            run.terms, run.refused = None, error
            return self._replay(run, binding, not_after_ms)

    def _own(self, run: AnyRun, binding: Binding, not_after_ms: int) -> Call:
        """The call of the command's own script."""
        command, context, caller, economy = run.command, run.context, run.caller, run.view.economy
        script, uid, key, request_hash, seed = binding.script, run.uid, run.key, run.request_hash, run.seed
        places = {"uid": str(uid), "key": key, **binding.places, **command.places(run.request)}
        names = script.key_names(places)
        terms, version, beginnings = encode(run.terms), economy.version_raw, economy.economy
        header = EventHeader(
            script.emits or "", uid, caller.tier, caller.op_id, key, request_hash, version, croupier_lua.RULES,
            msgspec.Raw(terms), tuple([(names[i], size) for i, size in script.states]),
        )  # fmt: skip
        frame = Frame(
            not_after_ms,
            self._clock_ms() if self._clock_ms else 0,
            0 if command.forever_key else self._idempotency_ms,
            keep(request_hash, caller.op_id, version, terms) if request_hash else b"",
            binding.nonce_floor,
            *binding.rate(context),
            seed.packed(beginnings.initial_tokens, beginnings.initial_gems) if seed else b"",
            BALANCE_MAX,
            session_bit(places["game"]),
            IDLE_MS,
            binding.entry,
            encode_header(header),
        )
        return script, names, binding.arguments(frame + command.bind(context, run.request, run.terms))

    def _replay(self, run: AnyRun, binding: Binding, not_after_ms: int) -> Call:
        """The call of the script that knows what was done under the same key."""
        script = self._engine.scripts["idempotency.replay"]
        names = script.key_names({"uid": str(run.uid), "key": run.key, **binding.places})
        clock_ms = self._clock_ms() if self._clock_ms else 0
        rate = binding.rate(run.context) if run.command.scope == "games" else NO_RATE
        arguments = not_after_ms, clock_ms, 0, run.request_hash, binding.nonce_floor, *rate
        return script, names, script.argv(*arguments)
