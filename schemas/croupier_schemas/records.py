"""The binary records of Croupier: hot state in Redis, script arguments, and what events say happened.

A change of a layout is a new version number and a decoder for the old one, never a silent reinterpretation.
"""

from typing import Annotated, Final

import msgspec

from croupier_schemas.layout import Layout, raw, u8, u16, u32, u64

FLAG_BANNED = 1
CURRENCY_TOKENS, CURRENCY_GEMS = 0, 1
SESSION_BITS: Final[dict[str, int]] = {"gacha": 1, "crash": 2, "slot": 4, "rps": 8}
CRASH_CASHED, CRASH_AUTO, CRASH_CRASHED = 1, 2, 3
RPS_MOVES: Final = ("ROCK", "PAPER", "SCISSORS")
RPS_OUTCOMES: Final = ("DRAW", "WIN", "LOSE")
DRAW_NEAR_MISS, DRAW_HARD_PITY, DRAW_GUARANTEED, DRAW_STOCK_SEEN = 1, 2, 4, 8


class Player(msgspec.Struct, frozen=True, gc=False):
    """`{p}:player:<uid>`: everything about one player that commands of every game need."""

    flags: Annotated[int, u8("bit 0: banned")]
    tokens: Annotated[int, u64("balance in tokens")]
    gems: Annotated[int, u64("balance in gems")]
    excluded_until_ms: Annotated[int, u64("end of self-exclusion, Unix time in ms; 0: none")]
    day: Annotated[int, u32("day of the daily counters, in days since 1970-01-01 in the economy's zone")]
    pulls: Annotated[int, u16("gacha pulls on that day; a ten-pull counts once")]
    nonce: Annotated[int, u64("nonce of the last draw")]
    seed_key: Annotated[int, u32("id of the master key that the server seed is derived from")]
    seed_generation: Annotated[int, u32("generation of the server seed; 0: none handed over yet")]
    commitment: Annotated[bytes, raw(32, "SHA-256 of the server seed's 64 ASCII characters")]
    client_seed_length: Annotated[int, u8("length of the client seed, 1 to 32")]
    client_seed: Annotated[bytes, raw(32, "client seed, padded with zero bytes")]
    payout_max: Annotated[int, u64("largest payout of the open crash bet; 0: none is open")]
    sessions: Annotated[int, u8("open sessions: gacha 1, crash 2, slot 4, rps 8")]
    rate_at_ms: Annotated[int, u64("newest call in the rate log, Unix time in ms", durable=False)]
    rate_next: Annotated[int, u16("where the rate log goes on, from 0", durable=False)]
    rate_count: Annotated[int, u16("calls in the rate log", durable=False)]
    rate_size: Annotated[int, u16("length of the rate log", durable=False)]
    seeded: Annotated[int, u8("1 when the two pads below are filled in", durable=False)]
    inner_pad: Annotated[bytes, raw(64, "server seed XOR 0x36: HMAC's inner key block", durable=False)]
    outer_pad: Annotated[bytes, raw(64, "server seed XOR 0x5c: HMAC's outer key block", durable=False)]

    def __repr__(self) -> str:
        """Without the pads, which are as good as the server seed."""
        return f"Player(tokens={self.tokens}, gems={self.gems}, nonce={self.nonce}, ...)"


class Seed(msgspec.Struct, frozen=True, gc=False):
    """Script argument: what the engine brings to a script that answered `NEEDS_SEED`.

    The last four are a new player's beginnings, and mean nothing to a player who has a record.
    """

    key: Annotated[int, u32("id of the master key")]
    generation: Annotated[int, u32("generation of the server seed")]
    commitment: Annotated[bytes, raw(32, "SHA-256 of the server seed")]
    inner_pad: Annotated[bytes, raw(64, "server seed XOR 0x36")]
    outer_pad: Annotated[bytes, raw(64, "server seed XOR 0x5c")]
    tokens: Annotated[int, u64("tokens of a new player")]
    gems: Annotated[int, u64("gems of a new player")]
    client_seed_length: Annotated[int, u8("length of a new player's client seed")]
    client_seed: Annotated[bytes, raw(32, "a new player's client seed, padded with zero bytes")]

    def __repr__(self) -> str:
        """Without the pads, which are as good as the server seed."""
        return f"Seed(key={self.key}, generation={self.generation}, ...)"


class Gacha(msgspec.Struct, frozen=True, gc=False):
    """`{p}:gacha:<uid>:<banner>`: one player's history on one banner, as far as the rules need it."""

    since_legendary: Annotated[int, u32("draws since the last Legendary")]
    since_epic: Annotated[int, u32("draws since the last Epic")]
    since_rare: Annotated[int, u32("draws since the last Rare")]
    guaranteed: Annotated[int, u8("1 when the next item of the rate-up rarity is a featured one")]
    legendary: Annotated[int, u32("Legendary items delivered")]
    epic: Annotated[int, u32("Epic items delivered")]
    rare: Annotated[int, u32("Rare items delivered")]
    common: Annotated[int, u32("Common items delivered")]


class GachaTable(msgspec.Struct, frozen=True, gc=False):
    """Script argument: one banner of the economy, with every name replaced by its index."""

    weight_legendary: Annotated[int, u32("weight in ppm")]
    weight_epic: Annotated[int, u32("weight in ppm")]
    weight_rare: Annotated[int, u32("weight in ppm")]
    near_miss_ppm: Annotated[int, u32("width of the near-miss band above the Legendary weight")]
    hard_legendary: Annotated[int, u16("hard pity, in draws; 0: none")]
    hard_epic: Annotated[int, u16("hard pity, in draws; 0: none")]
    hard_rare: Annotated[int, u16("hard pity, in draws; 0: none")]
    limited: Annotated[int, u8("bit r-1 is set when rarity r (1 Legendary to 3 Rare) has limited stock")]
    rate_up: Annotated[int, u8("rarity with a featured guarantee, 1 Legendary to 4 Common; 0: none")]
    featured_count: Annotated[int, u16("featured items of the rate-up rarity; they come first")]
    featured_weight: Annotated[int, u32("their weight together")]


class GachaSoftPity(msgspec.Struct, frozen=True, gc=False):
    """Script argument: the soft pity of a banner that has one."""

    from_legendary: Annotated[int, u16("first draw with soft pity; 0: none")]
    from_epic: Annotated[int, u16("first draw with soft pity; 0: none")]
    from_rare: Annotated[int, u16("first draw with soft pity; 0: none")]
    step_legendary: Annotated[int, u32("ppm per draw")]
    step_epic: Annotated[int, u32("ppm per draw")]
    step_rare: Annotated[int, u32("ppm per draw")]


class GachaDraw(msgspec.Struct, frozen=True, gc=False):
    """One draw of a pull.

    The result of `gacha.pulled` is the `gacha` record as the pull found it, and one of these for each draw.
    """

    rarity: Annotated[int, u8("rarity delivered, 1 Legendary to 4 Common")]
    item: Annotated[int, u16("index of the item in that rarity's list, featured items first")]
    flags: Annotated[int, u8("bits: near miss 1, hard pity 2, guaranteed 4, stock seen 8")]
    downgraded_from: Annotated[int, u8("rarity whose stock was gone, 1 to 3; 0: not downgraded")]
    stock: Annotated[int, u64("stock of the drawn rarity before this draw, when it is limited")]


class Crash(msgspec.Struct, frozen=True, gc=False):
    """`{p}:crash:<uid>`: the open bet of a player, and how its round before ended. Multipliers are in hundredths."""

    game: Annotated[bytes, raw(16, "id of the open round; zeros: none is open")]
    bet: Annotated[int, u64("bet in tokens")]
    target_m100: Annotated[
        int, u32("multiplier at which it is paid by itself: auto cash-out, or else the cap")
    ]
    cap_m100: Annotated[int, u32("largest multiplier")]
    growth_ppm: Annotated[int, u32("growth of the multiplier per second, in ppm of the exponent")]
    started_at_ms: Annotated[int, u64("time of the bet, Unix time in ms")]
    nonce: Annotated[int, u64("nonce of the bet, which with the seeds fixes the crash point")]
    settled_game: Annotated[bytes, raw(16, "id of the round settled last; zeros: none was")]
    settled_bet: Annotated[int, u64("its bet in tokens")]
    settled_outcome: Annotated[int, u8("cashed 1, auto 2, crashed 3")]
    settled_m100: Annotated[int, u32("multiplier paid; 0 when it crashed")]
    settled_crash_m100: Annotated[int, u32("its crash point")]
    settled_payout: Annotated[int, u64("tokens paid")]
    rate_at_ms: Annotated[int, u64("newest call in the rate log, Unix time in ms", durable=False)]
    rate_next: Annotated[int, u16("where the rate log goes on, from 0", durable=False)]
    rate_count: Annotated[int, u16("calls in the rate log", durable=False)]
    rate_size: Annotated[int, u16("length of the rate log", durable=False)]


class CrashSettled(msgspec.Struct, frozen=True, gc=False):
    """Result of `crash.settled`: the round as it was played. How it ended is in the `crash` record."""

    elapsed_ms: Annotated[int, u64("time from the bet to the settlement, in ms")]
    target_m100: Annotated[int, u32("multiplier at which it was to be paid by itself")]
    cap_m100: Annotated[int, u32("largest multiplier")]
    growth_ppm: Annotated[int, u32("growth of the multiplier per second, in ppm of the exponent")]
    started_at_ms: Annotated[int, u64("time of the bet, Unix time in ms")]
    nonce: Annotated[int, u64("nonce of the bet")]


class Session(msgspec.Struct, frozen=True, gc=False):
    """`{p}:session:<uid>:<game>`: the session of a player in one game, open or the last one that was."""

    id: Annotated[bytes, raw(16, "id; zeros: there never was one")]
    started_at_ms: Annotated[int, u64("Unix time in ms")]
    last_at_ms: Annotated[int, u64("start or last round, Unix time in ms")]
    ended_at_ms: Annotated[int, u64("Unix time in ms; 0: open")]
    rounds: Annotated[int, u32("rounds played")]
    bet: Annotated[int, u64("tokens spent")]
    win: Annotated[int, u64("tokens won")]


class SlotSpun(msgspec.Struct, frozen=True, gc=False):
    """Result of `slot.spun`."""

    stop_1: Annotated[int, u8("where the first reel stopped, from 0")]
    stop_2: Annotated[int, u8("where the second reel stopped")]
    stop_3: Annotated[int, u8("where the third reel stopped")]
    percent: Annotated[int, u32("sum of the lines that won, in percent of the bet")]
    payout: Annotated[int, u64("tokens paid")]


class RpsPlayed(msgspec.Struct, frozen=True, gc=False):
    """Result of `rps.played`. Moves are 0 ROCK, 1 PAPER, 2 SCISSORS."""

    server_move: Annotated[int, u8("the server's move")]
    outcome: Annotated[int, u8("0 DRAW, 1 WIN, 2 LOSE, as the player sees it")]
    payout: Annotated[int, u64("tokens paid")]


class FairnessRotated(msgspec.Struct, frozen=True, gc=False):
    """Result of `fairness.rotated`: the seed that is now public. The new one's commitment is in the `player` record."""

    revealed_key: Annotated[int, u32("id of the master key of the revealed seed")]
    revealed_generation: Annotated[int, u32("generation of the revealed seed")]
    revealed_commitment: Annotated[bytes, raw(32, "SHA-256 of the revealed seed")]
    revealed_client_length: Annotated[int, u8("length of the client seed used with it")]
    revealed_client_seed: Annotated[bytes, raw(32, "client seed used with it, padded with zero bytes")]
    revealed_seed: Annotated[bytes, raw(64, "the revealed server seed, 64 hex characters")]


PLAYER = Layout("player", Player, version=1)
SEED = Layout("seed", Seed, version=1)
GACHA = Layout("gacha", Gacha, version=1)
GACHA_TABLE = Layout("gacha_table", GachaTable, version=1)
GACHA_SOFT_PITY = Layout("gacha_soft_pity", GachaSoftPity, version=1)
GACHA_DRAW = Layout("gacha_draw", GachaDraw, version=1)
FAIRNESS_ROTATED = Layout("fairness_rotated", FairnessRotated, version=1)
CRASH = Layout("crash", Crash, version=1)
CRASH_SETTLED = Layout("crash_settled", CrashSettled, version=1)
SESSION = Layout("session", Session, version=1)
SLOT_SPUN = Layout("slot_spun", SlotSpun, version=1)
RPS_PLAYED = Layout("rps_played", RpsPlayed, version=1)

LAYOUTS = {
    layout.name: layout
    for layout in (
        PLAYER,
        SEED,
        GACHA,
        GACHA_TABLE,
        GACHA_SOFT_PITY,
        GACHA_DRAW,
        FAIRNESS_ROTATED,
        CRASH,
        CRASH_SETTLED,
        SESSION,
        SLOT_SPUN,
        RPS_PLAYED,
    )
}
