"""What the engine believes, and what it does when that is no longer so or was never possible."""

import pytest

from croupier.economy import version
from croupier.errors import CroupierError
from croupier.fairness.queries import FAIRNESS, RECEIPT, ReceiptParams
from croupier.gacha.queries import ODDS, OddsParams
from croupier.settings import Settings
from croupier_schemas import keys
from croupier_schemas.records import PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.economies import certain, main
from tests.commands.world import P, World, caller


async def test_given_a_push_by_another_process_when_odds_are_asked_for_then_they_are_those_in_force(
    world: World,
) -> None:
    await world.ask(ODDS, caller(1), OddsParams(banner="main"))
    pushed = await world.push(main(weights_ppm=certain("Rare")))

    reply = await world.ask(ODDS, caller(1), OddsParams(banner="main"))

    assert (reply.economy, reply.in_force) == (pushed, True)


async def test_given_a_push_and_a_pull_by_another_process_when_its_receipt_is_asked_for_then_it_is_found(
    world: World,
) -> None:
    await world.ask(ODDS, caller(1), OddsParams(banner="main"))
    await world.push(main(weights_ppm=certain("Rare")))
    reply = await world.pull(1, engine=await world.another_engine())

    found = await world.ask(RECEIPT, caller(1), ReceiptParams(reply.receipt.event_id))

    assert found.economy == version(world.economy)


async def test_given_a_new_epoch_when_fairness_is_asked_for_then_the_next_nonce_is_of_that_epoch(
    world: World,
) -> None:
    await world.pull(1)
    await world.shut()
    await world.open(epoch=2)

    assert (await world.ask(FAIRNESS, caller(1))).next_nonce == 1_000_000_001


@pytest.mark.parametrize("event_id", ["1-1-2", "9007199254740991-9007199254740991-9007199254740991"])
async def test_given_an_id_of_another_partition_when_its_receipt_is_asked_for_then_it_is_not_found(
    world: World, event_id: str
) -> None:
    await world.pull(1)

    with pytest.raises(CroupierError) as refused:
        await world.ask(RECEIPT, caller(1), ReceiptParams(event_id))

    assert refused.value.code == "RECEIPT_NOT_FOUND"


@pytest.mark.parametrize("size", [1, 20, PLAYER.durable_size - 1])
async def test_given_a_player_record_cut_short_when_pulled_then_it_fails_and_nothing_is_written(
    world: World, size: int
) -> None:
    await world.pull(1)
    record = await world.transport.call("GET", keys.player(P, 1))
    assert isinstance(record, bytes)
    await world.transport.call("SET", keys.player(P, 1), record[:size])

    error = await world.refused(world.pull(1))

    assert error.code == "INTERNAL"


async def test_given_a_stale_clock_by_more_than_the_deadline_when_pulled_then_the_engine_learns_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time as real

    class Behind:
        monotonic_ns = staticmethod(real.monotonic_ns)

        @staticmethod
        def time() -> float:
            return real.time() - 10.0

    engine = await world.another_engine(clock_ms="real")
    await world.pull(1, engine=engine)
    monkeypatch.setattr("croupier.engine.time", Behind)  # the worker's clock is set back by 10 s

    await world.pull(1, engine=engine)


async def test_given_an_exclusion_without_end_when_pulled_then_it_is_refused_as_such(world: World) -> None:
    await world.put_player(1, excluded_until_ms=2**53 - 1)

    assert (await world.refused(world.pull(1))).code == "PLAYER_EXCLUDED"


async def test_given_a_banner_enabled_by_a_push_when_a_worker_knew_it_disabled_then_it_may_be_pulled(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(enabled=False))
    assert (await world.refused(world.pull(1))).code == "GAME_DISABLED"
    await world.push(main())

    await world.pull(1)


async def test_given_another_master_key_under_the_same_id_when_a_receipt_is_asked_for_then_no_seed_is_made_up(
    world: World,
) -> None:
    reply = await world.pull(1)
    await world.rotate(1)
    world.engine = await world.another_engine(Settings(master_keys="1:" + "0" * 64))

    with pytest.raises(CroupierError) as refused:
        await world.ask(RECEIPT, caller(1), ReceiptParams(reply.receipt.event_id))

    assert refused.value.code == "INTERNAL"


async def test_given_an_economy_of_newer_code_when_it_is_read_then_the_server_is_not_ready_for_it(
    world: World,
) -> None:
    newer = "ab" * 32
    await world.transport.call("SET", keys.economy(P, newer), b'{"a_setting_of_tomorrow":1}')

    with pytest.raises(CroupierError, match="NOT_READY"):
        await world.ask(ODDS, caller(1), OddsParams(banner="main", economy=newer))
