"""The command `rps.play`."""

from typing import NamedTuple

from croupier.betting import balance_cap, insufficient, require_bet, require_open
from croupier.command import Command, Context, Done, receipt
from croupier.gacha.table import CompiledEconomy
from croupier.rps.played import Play, PlayTerms
from croupier_schemas.records import RPS_MOVES, RPS_OUTCOMES
from croupier_schemas.rps import RpsPlay, RpsPlayReply


class PlayArguments(NamedTuple):
    """The arguments that `rps/play.lua` and its stage `stake` declare."""

    bet: int
    payout_most: int
    move: int
    forced: int


def _terms(context: Context, request: RpsPlay) -> PlayTerms:
    require_open(context, "rps")
    if request.bet_amount > 0:
        require_bet(request.bet_amount, context.economy.economy.rps)
    return PlayTerms(
        bet=request.bet_amount,
        player_move=RPS_MOVES.index(request.player_move),
        deterministic=bool(context.settings.rps_deterministic),
    )


def _bind(context: Context, _request: RpsPlay, terms: PlayTerms) -> PlayArguments:
    outcome = context.settings.rps_deterministic.upper()
    return PlayArguments(
        bet=terms.bet,
        payout_most=terms.bet * context.economy.economy.rps.win_percent // 100,
        move=terms.player_move,
        forced=1 + RPS_OUTCOMES.index(outcome) if outcome else 0,
    )


def _render(_economy: CompiledEconomy, terms: PlayTerms, done: Done) -> RpsPlayReply:
    play = Play.of_done(terms, done)
    return RpsPlayReply(
        player_move=RPS_MOVES[terms.player_move],
        server_move=RPS_MOVES[play.played.server_move],
        outcome=RPS_OUTCOMES[play.played.outcome],
        deterministic=terms.deterministic,
        payout=play.played.payout,
        balance=play.player.tokens,
        receipt=receipt(done, play.player.nonce, play.player.commitment),
    )


PLAY = Command(
    name="rps.play",
    path="/api/games/rps/play",
    summary="Play rock, paper, scissors once",
    request=RpsPlay,
    reply=RpsPlayReply,
    arguments=PlayArguments,
    terms_type=PlayTerms,
    terms=_terms,
    bind=_bind,
    render=_render,
    refusals={"INSUFFICIENT_BALANCE": insufficient, "BALANCE_CAP": balance_cap},
    errors=(
        "BET_OUT_OF_RANGE", "GAME_DISABLED", "MAINTENANCE", "PLAYER_BANNED", "PLAYER_EXCLUDED", "RATE_LIMITED",
        "INSUFFICIENT_BALANCE", "BALANCE_CAP",
    ),
    example=RpsPlay(player_move="ROCK"),
)  # fmt: skip
