"""Balances and nonces of players, event by event."""

from typing import Final

from croupier.fairness.nonce import next_nonce, nonce_floor
from croupier.gacha.table import CompiledEconomy
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER, Player
from croupier_sync.verification.findings import Findings
from croupier_sync.verification.flows import Flow, flow_of
from croupier_sync.verification.state import State

_DRAWS: Final = frozenset({"gacha.pulled", "slot.spun", "rps.played", "crash.bet_placed"})
"""The types of events that use a nonce."""


class Players:
    """Checks what each event does to its player. `flow` is the sum of all flows so far."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.flow = Flow()

    def check(self, event: Event, state: State, economy: CompiledEconomy) -> Flow:
        """An event of a player, before the state takes it over; its flow, with what a new player begins with.

        Raises ValueError where it cannot be read.
        """
        key = keys.player(event.id.partition, event.header.uid)
        known, image = state.string(key), event.image(key)
        before = PLAYER.unpack(known) if known is not None else None
        after = PLAYER.unpack(image or b"")
        flow = flow_of(event)
        if event.created:
            flow = flow.plus(Flow(economy.economy.initial_tokens, 0, economy.economy.initial_gems, 0))
        self.flow = self.flow.plus(flow)
        if not (event.created or state.knows(key)):
            return flow
        if event.created != (before is None):
            said = "it says that it is" if event.created else "it does not say that it is"
            self._findings.add("players", f"{said} the first event of player {event.header.uid}", event.id)
        self._check_balances(event, before, after, flow)
        self._check_nonce(event, before.nonce if before else 0, after.nonce)
        return flow

    def _check_balances(self, event: Event, before: Player | None, after: Player, flow: Flow) -> None:
        for currency, was, is_, change in (
            ("tokens", before.tokens if before else 0, after.tokens, flow.tokens),
            ("gems", before.gems if before else 0, after.gems, flow.gems),
        ):
            if is_ != was + change:
                self._findings.add(
                    "balances",
                    f"player {event.header.uid} had {was} {currency}, the event makes it {change:+}, "
                    f"and the balance after it is {is_}",
                    event.id,
                )

    def _check_nonce(self, event: Event, before: int, after: int) -> None:
        """A draw takes the next one; anything else may at most bring the nonce up to where the epoch begins."""
        epoch = event.id.epoch
        if event.header.type in _DRAWS:
            allowed = {next_nonce(before, epoch)}
        else:
            allowed = {before, max(before, nonce_floor(epoch))}
        if after not in allowed:
            self._findings.add(
                "nonces", f"the nonce of player {event.header.uid} goes from {before} to {after}", event.id
            )
