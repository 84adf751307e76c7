"""Rebuild: an empty Redis gets the durable state that Postgres holds, and the digests tell whether both agree."""

from croupier_schemas import keys
from croupier_schemas.records import PLAYER
from croupier_sync.rebuild import digest_of_mirror, digest_of_redis, rebuild
from croupier_sync.server import Server
from tests.sync.support import PARTITION, Casino


async def test_given_a_played_casino_when_redis_is_emptied_and_rebuilt_then_it_holds_the_durable_state_again(
    casino: Casino,
) -> None:
    # Given
    await casino.have_played()
    before = await casino.durable_state()
    digest = await digest_of_mirror(casino.connection, PARTITION)
    await casino.administer("FLUSHALL")

    # When
    rebuilt = await rebuild(Server(casino.transport), casino.connection, PARTITION)

    # Then
    assert await casino.durable_state() == before
    assert rebuilt.digest == digest == await digest_of_redis(Server(casino.transport), PARTITION)
    assert rebuilt.keys == len({key for key, _ in before})
    assert rebuilt.bytes == sum(map(len, before.values()))


async def test_given_a_played_casino_when_nothing_was_lost_then_both_digests_are_equal(
    casino: Casino,
) -> None:
    # Given
    await casino.have_played()
    server = Server(casino.transport)

    # When
    redis = await digest_of_redis(server, PARTITION)

    # Then
    assert redis == await digest_of_mirror(casino.connection, PARTITION)


async def test_given_volatile_keys_and_tails_when_they_change_then_the_digest_does_not(
    casino: Casino,
) -> None:
    # Given
    await casino.have_played()
    server = Server(casino.transport)
    before = await digest_of_redis(server, PARTITION)

    # When
    await casino.transport.call("SETRANGE", keys.player(PARTITION, 1), PLAYER.durable_size, b"\xff" * 40)
    await casino.transport.call("SET", keys.idempotency(PARTITION, 1, "some"), b"kept")
    await casino.transport.call("ZADD", keys.crash_open(PARTITION), 1, "1")

    # Then
    assert await digest_of_redis(server, PARTITION) == before


async def test_given_a_changed_durable_byte_when_digested_then_the_digests_differ(casino: Casino) -> None:
    # Given
    await casino.have_played()
    server = Server(casino.transport)

    # When
    await casino.transport.call("SETRANGE", keys.player(PARTITION, 1), PLAYER.durable_size - 1, b"\xff")

    # Then
    assert await digest_of_redis(server, PARTITION) != await digest_of_mirror(casino.connection, PARTITION)


async def test_given_more_rows_than_one_batch_when_rebuilt_then_each_is_written_and_progress_ends_at_the_total(
    casino: Casino,
) -> None:
    # Given
    rows = 12_001
    await casino.connection.execute(
        "INSERT INTO mirror SELECT 0, '{0}:player:' || i, '', int8send(i), 1, i FROM generate_series(1, $1::int) i",
        rows,
    )
    await casino.connection.execute("INSERT INTO mirror VALUES (0, '{0}:pool:some', 'Epic', '7', 1, 0)")
    told: list[tuple[int, int]] = []

    # When
    rebuilt = await rebuild(
        Server(casino.transport), casino.connection, PARTITION, lambda done, total: told.append((done, total))
    )

    # Then
    assert told[-1] == (rows + 1, rows + 1)
    assert (rebuilt.keys, rebuilt.bytes) == (rows + 1, rows * 8 + 1)
    assert await digest_of_redis(Server(casino.transport), PARTITION) == rebuilt.digest
    assert await casino.transport.call("HGET", keys.pool(PARTITION, "some"), "Epic") == b"7"
