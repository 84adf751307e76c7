"""`rps.play`: what comes of the roll, compared game by game with a model in plain Python."""

import random
from typing import Any, get_args

import pytest
from msgspec import to_builtins

from croupier.economy import version
from croupier.rps.played import Play
from croupier.settings import Settings
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.rps import Move
from tests.commands.bets import assert_round, play, put_session, session
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.known_rolls import rolls_of
from tests.commands.world import SETTINGS, World, encoded
from tests.model import rps as model

MOVES: tuple[Move, ...] = get_args(Move)


def deterministic(outcome: Any) -> Settings:
    """Settings under which every game ends so for the player."""
    return Settings(master_keys=SETTINGS.master_keys, rps_deterministic=outcome)


def roll_of(uid: int, nonce: int) -> float:
    """The roll of a player's game."""
    return rolls_of(uid, nonce, 1)[0]


def first_nonce(uid: int, server_move: str) -> int:
    """The first nonce with which the server's move is this one."""
    moves = (model.play("ROCK", 0, 194, roll_of(uid, nonce)).server_move for nonce in range(1, 1_000))
    return 1 + next(index for index, move in enumerate(moves) if move == server_move)


# Outcomes.


@pytest.mark.parametrize("win_percent", [100, 194, 200])
async def test_given_hundreds_of_games_when_compared_with_the_model_then_reply_event_and_record_are_equal(
    open_world: OpenWorld, win_percent: int
) -> None:
    world = await open_world(economy(rps={"win_percent": win_percent}))
    choices = random.Random(20260310)
    uid, tokens, seen = 7, 10**9, set()
    await world.put_player(uid, tokens=tokens)

    for nonce in range(1, 301):
        move, bet = choices.choice(MOVES), choices.choice([0, 1, 3, choices.randint(1, 100_000)])
        played = model.play(move, bet, win_percent, roll_of(uid, nonce))
        tokens += played.payout - bet

        reply = await play(world, uid, bet, move=move)

        shown = to_builtins(reply)
        assert shown.pop("receipt")["nonce"] == nonce
        assert shown == {
            "player_move": move, "server_move": played.server_move, "outcome": played.outcome,
            "deterministic": False, "payout": played.payout, "balance": tokens,
        }  # fmt: skip
        if nonce % 10 == 1:
            terms = [bet, MOVES.index(move), False]
            await assert_round(world, uid, reply, result=played.result, terms=terms, tokens=tokens)
        seen.add((move, played.server_move))

    assert len(seen) == 9
    last = Play.of_event((await world.events("rps.played"))[-1])
    assert (last.terms.bet, last.played.payout, last.player.tokens) == (bet, played.payout, tokens)


@pytest.mark.parametrize(
    ("move", "server_move", "outcome", "payout"),
    [
        ("ROCK", "ROCK", "DRAW", 1_001),
        ("ROCK", "PAPER", "LOSE", 0),
        ("ROCK", "SCISSORS", "WIN", 1_941),
        ("PAPER", "ROCK", "WIN", 1_941),
        ("PAPER", "PAPER", "DRAW", 1_001),
        ("PAPER", "SCISSORS", "LOSE", 0),
        ("SCISSORS", "ROCK", "LOSE", 0),
        ("SCISSORS", "PAPER", "WIN", 1_941),
        ("SCISSORS", "SCISSORS", "DRAW", 1_001),
    ],
)
async def test_given_two_moves_when_played_then_the_outcome_and_its_payout_cut_to_whole_tokens_are_these(
    world: World, move: Move, server_move: str, outcome: str, payout: int
) -> None:
    """A bet of 1,001 wins 1,941.94."""
    await world.put_player(1, tokens=1_001, nonce=first_nonce(1, server_move) - 1)

    reply = await play(world, 1, 1_001, move=move)

    assert (reply.player_move, reply.server_move, reply.outcome) == (move, server_move, outcome)
    assert reply.payout == reply.balance == payout


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("outcome", ["win", "draw", "lose"])
async def test_given_a_forced_outcome_when_played_then_it_comes_it_is_said_and_the_nonce_is_used_all_the_same(
    open_world: OpenWorld, move: Move, outcome: str
) -> None:
    world = await open_world(economy(), settings=deterministic(outcome))
    fair = await world.another_engine()
    await world.put_player(1, tokens=10_000)
    tokens = 10_000

    for nonce in range(1, 8):
        played = model.play(move, 300, 194, roll_of(1, nonce), outcome.upper())
        tokens += played.payout - 300
        reply = await play(world, 1, 300, move=move)
        assert (reply.outcome, reply.server_move) == (outcome.upper(), played.server_move)
        assert reply.deterministic and reply.receipt.nonce == nonce
        terms = [300, MOVES.index(move), True]
        await assert_round(world, 1, reply, result=played.result, terms=terms, tokens=tokens)

    reply = await play(world, 1, 300, move=move, engine=fair)
    played = model.play(move, 300, 194, roll_of(1, 8))
    assert (reply.server_move, reply.outcome) == (played.server_move, played.outcome)
    assert not reply.deterministic


async def test_given_a_forced_game_when_repeated_where_nothing_is_forced_then_the_replay_says_what_it_was(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(), settings=deterministic("win"))
    fair = await world.another_engine()

    first = await play(world, 1, key="order-1")

    assert encoded(await play(world, 1, key="order-1", engine=fair)) == encoded(first)


# Amounts.


async def test_given_no_tokens_at_all_when_played_for_nothing_then_it_is_played(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(rps={"bet_min": 500, "bet_step": 500}))
    await world.put_player(1, tokens=0)

    reply = await play(world, 1, 0)

    assert (reply.payout, reply.balance) == (0, 0)
    assert len(await world.events("rps.played")) == 1


async def test_given_the_largest_balance_when_played_for_nothing_then_it_is_played(world: World) -> None:
    await world.put_player(1, tokens=BALANCE_MAX)

    assert (await play(world, 1, 0)).balance == BALANCE_MAX


@pytest.mark.parametrize("set_aside", [0, 7_000])
async def test_given_the_largest_bet_when_it_wins_then_the_payout_is_exact_and_fills_the_balance(
    open_world: OpenWorld, set_aside: int
) -> None:
    bet = 10_000_000_000
    world = await open_world(economy(rps={"bet_max": bet}), settings=deterministic("win"))
    at_most = BALANCE_MAX - set_aside - bet * 94 // 100
    await world.put_player(1, tokens=at_most + 1, payout_max=set_aside)

    error = await world.refused(play(world, 1, bet))
    assert (error.code, error.fields) == ("BALANCE_CAP", {"balance": at_most + 1, "max": BALANCE_MAX})

    await world.change_player(1, tokens=at_most)
    reply = await play(world, 1, bet)
    assert (reply.payout, reply.balance) == (bet * 194 // 100, BALANCE_MAX - set_aside)


# Economies and sessions.


async def test_given_another_payment_when_it_is_pushed_then_the_next_game_pays_it_and_says_so(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(), settings=deterministic("win"))
    first = await play(world, 1, 1_000)
    before = version(world.economy)
    await world.push(economy(rps={"win_percent": 150}))

    second = await play(world, 1, 1_000)

    assert (first.payout, second.payout) == (1_940, 1_500)
    assert (first.receipt.economy, second.receipt.economy) == (before, version(world.economy))


@pytest.mark.parametrize("bet", [0, 250])
async def test_given_an_open_session_when_played_then_the_round_is_counted_in_it(
    world: World, bet: int
) -> None:
    await world.put_player(1, sessions=4 + 8)
    name = await put_session(world, 1, "rps", rounds=5, bet=1_000, win=300)

    reply = await play(world, 1, bet)

    kept = await session(world, name)
    assert (kept.rounds, kept.bet, kept.win) == (6, 1_000 + bet, 300 + reply.payout)
    (event,) = await world.events("rps.played")
    assert [change.key for change in event.changes] == ["{0}:player:1", name]
    assert event.changes[1].value == await world.transport.call("GET", name)
