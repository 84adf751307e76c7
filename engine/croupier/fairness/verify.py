"""Recomputes a pull from its receipt alone, as a stranger would: the steps of `docs/fairness.md`, one function each.

Nothing of the engine is used here but the types of a receipt. What one receipt cannot show stays to be checked
elsewhere: that the commitment was known before the pull, that no nonce was skipped or used twice, that the state before
is what the pull before left, that the table is the one disclosed to everybody for that version of the economy, and that
the stock seen agrees with the event log.
"""

import hashlib
import hmac
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from croupier_schemas.economy import RARITIES, Banner, Item, PityRule, Rarity
from croupier_schemas.fairness import DrawRecord, ReceiptReply
from croupier_schemas.gacha import Pity

RULES: Final = 1
"""The version of the scripts' semantics that this verifier knows."""

_ABOVE_COMMON: Final = RARITIES[:3]
_SERVER_SEED: Final = re.compile(r"[0-9a-f]{64}")
_CLIENT_SEED: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_EVENT_ID: Final = re.compile(r"(0|[1-9][0-9]{0,15})-([1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")
_NONCES_PER_EPOCH: Final = 1_000_000_000


def verify_receipt(receipt: ReceiptReply) -> list[str]:
    """Every problem of a receipt, one sentence each; an empty list means that it is verified.

    Each draw is compared, field by field, with what seeds, nonce, table, state before and stock seen give.
    """
    if receipt.type != "gacha.pulled" or receipt.rules != RULES:
        return [f"this verifier knows gacha.pulled by rules {RULES}, not {receipt.type} by {receipt.rules}"]
    problems = list(_form_problems(receipt))
    if receipt.server_seed is None:
        problems.append("the server seed is not revealed yet: rotate it, then ask for the receipt again")
    elif not problems:
        u = rolls(receipt.server_seed, receipt.client_seed, receipt.nonce, 2 * len(receipt.draws))
        problems += _draw_problems(receipt, u)
    return problems


def _form_problems(receipt: ReceiptReply) -> Iterator[str]:
    event_id = _EVENT_ID.fullmatch(receipt.event_id)
    if event_id is None:
        yield f"event_id {receipt.event_id!r} is not partition-epoch-seq"
    elif int(event_id[3]) != receipt.seq:
        yield f"seq is {receipt.seq}, and event_id is {receipt.event_id}"
    elif receipt.nonce <= (int(event_id[2]) - 1) * _NONCES_PER_EPOCH:
        yield f"nonce {receipt.nonce} belongs to an epoch before that of event_id {receipt.event_id}"
    if len(receipt.draws) not in (1, 10):
        yield f"there are {len(receipt.draws)} draws, and a pull has 1 or 10"
    if not _CLIENT_SEED.fullmatch(receipt.client_seed):
        yield "client_seed is not 1 to 32 characters of A-Z a-z 0-9 _ -"
    if receipt.server_seed is not None:
        if not _SERVER_SEED.fullmatch(receipt.server_seed):
            yield "server_seed is not 64 hexadecimal digits in lower case"
        elif hashlib.sha256(receipt.server_seed.encode()).hexdigest() != receipt.commitment:
            yield "the SHA-256 of server_seed is not the commitment"


# From the seeds to rolls.


def block(server_seed: str, client_seed: str, nonce: int, number: int) -> str:
    """Block `number` (from 0) of a command: HMAC-SHA1, as 40 hexadecimal digits."""
    message = f"{client_seed}:{nonce}:{number}"
    return hmac.new(server_seed.encode(), message.encode(), hashlib.sha1).hexdigest()


def rolls(server_seed: str, client_seed: str, nonce: int, count: int) -> list[float]:
    """The first `count` rolls of a command: three from each block, multiples of 2^-52 in [0, 1)."""
    found = []
    for index in range(count):
        at = 13 * (index % 3)
        digits = block(server_seed, client_seed, nonce, index // 3)[at : at + 13]
        found.append(int(digits, 16) / 2**52)
    return found


# From rolls to draws.


@dataclass
class _State:
    """What one draw leaves for the next. `stock` has the rarities that this pull has looked up."""

    since: dict[Rarity, int]
    guaranteed: bool
    stock: dict[Rarity, int]

    @classmethod
    def before(cls, pity: Pity) -> "_State":
        return cls({rarity: getattr(pity, rarity) for rarity in _ABOVE_COMMON}, pity.guaranteed, {})


def _draw_problems(receipt: ReceiptReply, u: Sequence[float]) -> Iterator[str]:
    state = _State.before(receipt.state_before)
    for index, recorded in enumerate(receipt.draws):
        computed = _draw(receipt.table, state, recorded.stock_seen, u[2 * index], u[2 * index + 1])
        for name in DrawRecord.__struct_fields__:
            said, found = getattr(recorded, name), getattr(computed, name)
            if said != found:
                yield f"draw {index + 1}: {name} is {said!r}, and recomputed it is {found!r}"


def _draw(table: Banner, state: _State, stock_said: int | None, u_rarity: float, u_item: float) -> DrawRecord:
    """One draw; moves `state` on. `stock_said` is the stock of the drawn rarity according to the receipt."""
    weights = _weights(table, state)
    due = next((rarity for rarity in _ABOVE_COMMON if _is_due(table, state, rarity)), None)
    r = math.floor(u_rarity * 1_000_000)
    drawn = due or _rarity(weights, r)

    stock_seen = _stock_seen(table, state, drawn, stock_said)
    empty = stock_seen == 0
    rarity: Rarity = "Common" if empty else drawn
    if stock_seen:
        state.stock[drawn] = stock_seen - 1

    items = _in_drawing_order(getattr(table.items, rarity))
    guaranteed = rarity == table.rate_up and state.guaranteed
    item = _item([item for item in items if item.featured] if guaranteed else items, u_item)
    if rarity == table.rate_up:
        state.guaranteed = item is not None and not item.featured

    for each in _ABOVE_COMMON:
        state.since[each] = 0 if each == rarity else state.since[each] + 1
    in_band = weights["Legendary"] <= r < weights["Legendary"] + table.near_miss_ppm
    return DrawRecord(
        rarity=rarity,
        item_id=item.id if item else "",
        near_miss=in_band and due is None and not empty,
        hard_pity=due is not None,
        guaranteed=guaranteed,
        downgraded_from=drawn if empty else None,
        stock_seen=stock_seen,
    )


def _rule(table: Banner, rarity: Rarity) -> PityRule:
    rule: PityRule | None = getattr(table.pity, rarity)
    return rule or PityRule()


def _is_due(table: Banner, state: _State, rarity: Rarity) -> bool:
    """Whether hard pity n decides: n - 1 draws went by without the rarity."""
    hard = _rule(table, rarity).hard
    return hard is not None and state.since[rarity] >= hard - 1


def _weights(table: Banner, state: _State) -> dict[Rarity, int]:
    """Weights in ppm with soft pity: each rarity grows at the expense of those below it, Common first."""
    weights: dict[Rarity, int] = {rarity: getattr(table.weights_ppm, rarity) for rarity in RARITIES}
    for rank, rarity in enumerate(_ABOVE_COMMON):
        soft = _rule(table, rarity).soft
        draw_number = state.since[rarity] + 1
        if soft is None or draw_number < soft.from_draw:
            continue
        growth = soft.step_ppm * (draw_number - soft.from_draw + 1)
        for lower in reversed(RARITIES[rank + 1 :]):
            taken = min(growth, weights[lower])
            weights[lower] -= taken
            weights[rarity] += taken
            growth -= taken
    return weights


def _rarity(weights: dict[Rarity, int], r: int) -> Rarity:
    """The first rarity, from Legendary down, whose cumulative weight exceeds r."""
    cumulative = 0
    for rarity in _ABOVE_COMMON:
        cumulative += weights[rarity]
        if r < cumulative:
            return rarity
    return "Common"


def _stock_seen(table: Banner, state: _State, drawn: Rarity, said: int | None) -> int | None:
    """Stock of the drawn rarity before the draw: None if it is unlimited; else what this pull left of it or, for the
    first look at it, what the receipt says. A receipt that says nothing there, or less than nothing, is wrong."""
    if drawn == "Common" or getattr(table.stock, drawn) is None:
        return None
    return state.stock.get(drawn, max(0, said or 0))


def _in_drawing_order(items: tuple[Item, ...]) -> list[Item]:
    """Featured items first, then the others, each in the order of the table."""
    return [item for item in items if item.featured] + [item for item in items if not item.featured]


def _item(choices: list[Item], u: float) -> Item | None:
    """The first item whose cumulative weight exceeds floor(u * weight of all), or else the last; None without any."""
    threshold = math.floor(u * sum(item.weight for item in choices))
    cumulative = 0
    for item in choices:
        cumulative += item.weight
        if cumulative > threshold:
            return item
    return choices[-1] if choices else None
