"""A Postgres too slow for a whole batch: smaller ones get through, and they grow again once it is quick."""

import asyncio

import pytest

from croupier_sync import postgres
from croupier_sync.batch_size import BatchSize
from tests.sync.support import Casino

_SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_sleep(0.004 * (SELECT count(*) FROM added)); RETURN NULL; END';
CREATE TRIGGER slow AFTER INSERT ON events REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION slow()
"""


@pytest.mark.parametrize("restarted", [False, True], ids=["followed", "drained"])
async def test_given_a_postgres_too_slow_for_a_whole_batch_when_there_is_a_backlog_then_smaller_ones_get_through(
    casino: Casino, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    # Given
    await casino.have_played()
    for _ in range(20):
        await asyncio.gather(*(casino.pull(uid) for uid in range(1, 21)))
    await casino.connection.execute(_SLOW)
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_S", 0.5)
    if restarted:
        await casino.pretend_restart()

    # When
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()

    # Then
    await casino.require_events_are(await casino.log())
    await casino.require_mirror()


def _times_out(size: BatchSize, count: int) -> None:
    with pytest.raises(TimeoutError), size.learning_from(count):
        raise TimeoutError


def _is_written(size: BatchSize, count: int) -> None:
    with size.learning_from(count):
        pass


def test_given_batches_that_time_out_then_each_is_half_as_large_as_the_one_before_down_to_one_event() -> None:
    size = BatchSize(10_000)

    sizes = []
    for count in (6_000, 3_000, 1_500, 2, 1):
        _times_out(size, count)
        sizes.append(size.now)

    assert sizes == [3_000, 1_500, 750, 1, 1]


def test_given_a_smaller_size_when_full_batches_are_quick_then_it_grows_up_to_the_greatest() -> None:
    size = BatchSize(1_000)
    _times_out(size, 600)

    _is_written(size, 299)
    assert size.now == 300, "what is not full says nothing"
    _is_written(size, 300)
    assert size.now == 600
    _is_written(size, 600)
    assert size.now == 1_000


def test_given_a_smaller_size_when_a_full_batch_takes_long_then_it_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_S", 0.0)
    size = BatchSize(1_000)
    _times_out(size, 600)

    _is_written(size, 300)

    assert size.now == 300
