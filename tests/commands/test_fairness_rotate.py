"""`fairness.rotate`: reveals the server seed that was committed to, and commits to the next one."""

import asyncio
import hashlib
from itertools import pairwise
from typing import Any

import pytest

from croupier.errors import CroupierError
from croupier.fairness.queries import FAIRNESS
from croupier.settings import Settings
from croupier_schemas import keys
from croupier_schemas.fairness import FairnessRotateReply
from croupier_schemas.records import FAIRNESS_ROTATED, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.world import MASTER_KEY, P, World, caller, encoded
from tests.model.fairness import commitment, rolls, server_seed

OTHER_KEY = hashlib.sha256(b"another master key").digest()
BOTH_KEYS = Settings(master_keys=f"1:{MASTER_KEY.hex()},2:{OTHER_KEY.hex()}")
ONLY_THE_OTHER = Settings(master_keys=f"2:{OTHER_KEY.hex()}")
ANOTHER_UNDER_ITS_NAME = Settings(master_keys=f"1:{OTHER_KEY.hex()}")


async def test_given_a_commitment_when_the_seed_is_rotated_then_what_is_revealed_hashes_to_it(
    world: World,
) -> None:
    replies = [await world.pull(1) for _ in range(3)]

    rotated = await world.rotate(1)

    revealed = rotated.revealed
    assert hashlib.sha256(revealed.server_seed.encode()).hexdigest() == revealed.commitment
    assert {reply.receipt.commitment for reply in replies} == {revealed.commitment}
    assert (revealed.generation, revealed.client_seed, revealed.last_nonce) == (1, "1", 3)
    assert (rotated.generation, rotated.client_seed, rotated.next_nonce) == (2, "1", 4)
    assert rotated.commitment != revealed.commitment


async def test_given_a_rotation_when_the_next_pull_comes_then_nonces_go_on_under_the_new_seed(
    world: World,
) -> None:
    await world.pull(1)
    rotated = await world.rotate(1, "lucky_Seed-7")

    reply = await world.pull(1)

    assert reply.receipt.nonce == rotated.next_nonce == 2
    assert reply.receipt.commitment == rotated.commitment
    assert (await world.rotate(1)).revealed.commitment == rotated.commitment


@pytest.mark.parametrize("first_client_seed", [None, "x", "Client-Seed_of_32_characters_012"])
async def test_given_a_client_seed_when_rotated_without_one_then_it_is_kept(
    world: World, first_client_seed: str | None
) -> None:
    first = await world.rotate(1, first_client_seed)
    second = await world.rotate(1)
    third = await world.rotate(1, "z")

    expected = first_client_seed or "1"
    assert (first.revealed.client_seed, first.client_seed) == ("1", expected)
    assert (second.revealed.client_seed, second.client_seed) == (expected, expected)
    assert (third.revealed.client_seed, third.client_seed) == (expected, "z")
    player = await world.existing_player(1)
    assert player.client_seed == b"z" + 31 * b"\0"


async def test_given_a_new_player_when_it_rotates_first_then_it_is_created_and_nothing_is_drawn(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(initial_tokens=500, initial_gems=3))

    rotated = await world.rotate(1, "mine")

    player = await world.existing_player(1)
    assert (player.tokens, player.gems, player.nonce, player.seed_generation) == (500, 3, 0, 2)
    assert rotated.revealed.commitment == commitment(server_seed(MASTER_KEY, 1, 1))
    (event,) = await world.events("fairness.rotated")
    assert event.created
    assert (await world.pull(1)).receipt.nonce == 1


async def test_given_a_rotation_when_its_event_is_read_then_it_holds_the_revealed_seed_and_the_new_commitment(
    world: World,
) -> None:
    await world.pull(1)
    rotated = await world.rotate(1)

    (event,) = await world.events("fairness.rotated")

    result = FAIRNESS_ROTATED.unpack(event.result)
    assert result.revealed_seed.decode() == rotated.revealed.server_seed
    assert result.revealed_generation == 1 and not event.created
    image = event.image(keys.player(P, 1))
    assert image is not None and len(image) == PLAYER.durable_size
    assert PLAYER.unpack(image).commitment.hex() == rotated.commitment


async def test_given_concurrent_rotations_when_all_are_done_then_each_has_revealed_another_generation(
    world: World,
) -> None:
    await world.pull(1)
    workers = [await world.another_engine() for _ in range(3)]

    replies = await asyncio.gather(*(world.rotate(1, f"c{i}", engine=workers[i % 3]) for i in range(6)))

    replies.sort(key=lambda reply: reply.generation)
    assert [reply.revealed.generation for reply in replies] == [1, 2, 3, 4, 5, 6]
    for earlier, later in pairwise(replies):
        assert later.revealed.commitment == earlier.commitment
        assert later.revealed.client_seed == earlier.client_seed


async def test_given_more_rotations_at_once_than_an_engine_repeats_when_done_then_the_others_did_nothing(
    world: World,
) -> None:
    answers = await asyncio.gather(*(world.rotate(1) for _ in range(40)), return_exceptions=True)

    done = [answer for answer in answers if isinstance(answer, FairnessRotateReply)]
    refused = [answer for answer in answers if isinstance(answer, CroupierError)]
    assert len(done) + len(refused) == 40 and done
    assert {error.code for error in refused} <= {"NOT_READY"}
    assert sorted(reply.revealed.generation for reply in done) == [*range(1, len(done) + 1)]
    assert (await world.existing_player(1)).seed_generation == len(done) + 1
    assert len(await world.events("fairness.rotated")) == len(done)


async def test_given_an_idempotency_key_when_a_rotation_is_repeated_then_it_is_not_done_again(
    world: World,
) -> None:
    first = await world.rotate(1, "a", key="r-1")
    await world.rotate(1, "b")

    again = await world.rotate(1, "a", key="r-1")

    assert encoded(again) == encoded(first)
    assert (await world.existing_player(1)).seed_generation == 3


async def test_given_pulls_and_rotations_at_once_when_all_are_done_then_each_draw_is_of_the_seed_it_names(
    world: World,
) -> None:
    async def rotate_often() -> None:
        for number in range(5):
            await world.rotate(1, f"c{number}")

    await asyncio.gather(rotate_often(), *(world.pull(1) for _ in range(100)))

    generation, client_seed, nonce = 1, "1", 0
    for event in (await world.events())[2:]:
        image = event.image(keys.player(P, 1))
        assert image is not None
        player = PLAYER.unpack(image)
        if event.header.type == "fairness.rotated":
            generation, client_seed = generation + 1, f"c{generation - 1}"
        else:
            nonce += 1
        assert (player.seed_generation, player.nonce) == (generation, nonce)
        assert player.client_seed.rstrip(b"\0").decode() == client_seed
        assert player.commitment.hex() == commitment(server_seed(MASTER_KEY, 1, generation))


# Master keys.


async def test_given_a_second_master_key_when_it_is_configured_then_new_players_and_rotations_use_it(
    world: World,
) -> None:
    await world.pull(1)
    newer = await world.another_engine(BOTH_KEYS)

    old_player = await world.pull(1, engine=newer)
    new_player = await world.pull(2, engine=newer)
    assert old_player.receipt.commitment == commitment(server_seed(MASTER_KEY, 1, 1))
    assert new_player.receipt.commitment == commitment(server_seed(OTHER_KEY, 2, 1))

    rotated = await world.rotate(1, engine=newer)
    assert rotated.revealed.server_seed == server_seed(MASTER_KEY, 1, 1)
    assert rotated.commitment == commitment(server_seed(OTHER_KEY, 1, 2))
    assert (await world.rotate(1, engine=newer)).revealed.server_seed == server_seed(OTHER_KEY, 1, 2)


@pytest.mark.parametrize("settings", [ONLY_THE_OTHER, ANOTHER_UNDER_ITS_NAME], ids=["missing", "other"])
async def test_given_the_wrong_master_key_when_a_seed_must_be_derived_then_it_fails_and_nothing_changes(
    world: World, settings: Settings
) -> None:
    await world.pull(1)
    wrong = await world.another_engine(settings)

    assert (await world.refused(world.rotate(1, engine=wrong))).code == "INTERNAL"
    await world.pull(1, engine=wrong)  # what Redis has needs no key
    await world.put_player(1)  # until it loses it
    assert (await world.refused(world.pull(1, engine=wrong))).code == "INTERNAL"
    assert (await world.refused(world.rotate(1, engine=wrong))).code == "INTERNAL"


# A record that came back from the mirror, without the volatile tail.


async def test_given_a_record_without_its_tail_when_the_next_commands_come_then_the_seed_is_the_same(
    world: World,
) -> None:
    await world.rotate(1, "mine")
    first = await world.pull(1)
    for command in (world.pull, world.rotate):
        record = await world.transport.call("GET", keys.player(P, 1))
        assert isinstance(record, bytes)
        await world.transport.call("SET", keys.player(P, 1), record[: PLAYER.durable_size])
        await command(1)
        (event,) = (await world.events())[-1:]
        assert not event.created
        assert (await world.existing_player(1)).seeded == 1

    pulls = await world.events("gacha.pulled")
    commitments = {PLAYER.unpack(event.changes[0].value or b"").commitment.hex() for event in pulls}
    assert commitments == {first.receipt.commitment}


async def test_given_many_at_once_when_the_tail_is_missing_then_all_go_on_with_gapless_nonces(
    world: World,
) -> None:
    await world.put_player(1, nonce=41)

    replies = await asyncio.gather(*(world.pull(1) for _ in range(50)))

    assert sorted(reply.receipt.nonce for reply in replies) == list(range(42, 92))


# Epochs.


async def test_given_epoch_2_when_players_pull_then_no_nonce_of_epoch_1_can_come_again(world: World) -> None:
    await world.pull(1)
    await world.shut()
    await world.open(epoch=2)

    new = await world.pull(2)
    assert (await world.ask(FAIRNESS, caller(1))).next_nonce == 1_000_000_001
    old = await world.pull(1)
    assert old.receipt.nonce == new.receipt.nonce == 1_000_000_001
    assert (await world.pull(1)).receipt.nonce == 1_000_000_002
    assert (await world.rotate(1)).next_nonce == 1_000_000_003
    assert (await world.events())[-1].id.epoch == 2


async def test_given_a_nonce_beyond_the_floor_when_an_epoch_begins_then_it_goes_on_from_there(
    world: World,
) -> None:
    await world.put_player(1, nonce=5_000_000_000)
    await world.shut()
    await world.open(epoch=3)

    reply = await world.pull(1)

    assert reply.receipt.nonce == 5_000_000_001


async def test_given_the_largest_nonce_when_its_message_is_built_then_it_has_all_its_digits(
    world: World,
) -> None:
    await world.put_player(1, nonce=2**53 - 2)

    reply = await world.pull(1)

    assert reply.receipt.nonce == 2**53 - 1
    u = rolls(server_seed(MASTER_KEY, 1, 1), "1", 2**53 - 1, 1)[0]
    r, weights = int(u * 1_000_000), {"Legendary": 50_000, "Epic": 200_000, "Rare": 500_000}
    rarity = next((each for each, total in weights.items() if r < total), "Common")
    assert reply.items[0].rarity == rarity


async def test_given_no_postgres_when_a_rotation_was_lost_then_its_repetition_is_not_acknowledged(
    world: World,
) -> None:
    await world.rotate(1, "mine", key="rotate-1")
    await world.rotate(1, "mine", key="rotate-1")  # as long as the event is there, a repetition is answered
    streams: Any = await world.administer("KEYS", "{0}:outbox:*")
    newest: Any = await world.transport.call("XREVRANGE", streams[0], "+", "-", "COUNT", 1)
    await world.administer("XDEL", streams[0], newest[0][0])

    error = await world.refused(world.rotate(1, "mine", key="rotate-1"))

    assert error.code == "DURABILITY_TIMEOUT"
