"""The command `rewards.distribute`: what an admin grants to a player, at most once per key, for ever."""

from typing import NamedTuple

import msgspec

from croupier.betting import balance_cap
from croupier.command import Caller, Command, Context, Done
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.records import CURRENCY_GEMS, CURRENCY_TOKENS, PLAYER
from croupier_schemas.rewards import (
    RewardReceipt,
    RewardsDistribute,
    RewardsDistributeReply,
    RewardType,
)


class RewardTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is granted, by which admin, and under which key; an empty key is none."""

    uid: int
    reward_type: RewardType
    amount: int
    source_description: str
    granted_by: int
    key: str


class DistributeArguments(NamedTuple):
    """The arguments that `rewards/distribute.lua` declares itself."""

    currency: int
    amount: int


def _key(caller: Caller, request: RewardsDistribute) -> str:
    return request.key or caller.idempotency_key


def _terms(context: Context, request: RewardsDistribute) -> RewardTerms:
    return RewardTerms(
        request.user_id,
        request.reward_type,
        request.amount,
        request.source_description,
        context.caller.uid,
        _key(context.caller, request),
    )


def _bind(_context: Context, _request: RewardsDistribute, terms: RewardTerms) -> DistributeArguments:
    currency = CURRENCY_GEMS if terms.reward_type == "GEMS" else CURRENCY_TOKENS
    return DistributeArguments(currency, terms.amount)


def _render(_economy: CompiledEconomy, terms: RewardTerms, done: Done) -> RewardsDistributeReply:
    assert done.event is not None
    player = PLAYER.unpack(done.images[0])
    return RewardsDistributeReply(
        user_id=terms.uid,
        reward_type=terms.reward_type,
        amount=terms.amount,
        balance=player.tokens,
        gems=player.gems,
        key=terms.key or None,
        receipt=RewardReceipt(str(done.event), done.event.seq, done.economy),
    )


DISTRIBUTE = Command(
    name="rewards.distribute",
    path="/api/rewards/distribute",
    summary="Grant a player tokens or gems, at most once per key, for ever",
    description=(
        "Of what is granted under one `key` (or else `Idempotency-Key`) to one player, only the first is "
        "granted, ever; a repeat is answered as the first was. Without a key each request grants."
    ),
    request=RewardsDistribute,
    reply=RewardsDistributeReply,
    arguments=DistributeArguments,
    terms_type=RewardTerms,
    terms=_terms,
    bind=_bind,
    render=_render,
    refusals={"BALANCE_CAP": balance_cap},
    errors=("PLAYER_NOT_FOUND", "BALANCE_CAP"),
    scope="",
    access="admin",
    player=lambda request: request.user_id,
    forever_key=_key,
    example=RewardsDistribute(42, "TOKENS", 5_000, "Welcome gift", "welcome-42"),
)
