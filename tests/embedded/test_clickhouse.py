"""The embedded ClickHouse: data survives, ClickHouse's client works with it, strangers are refused."""

import http.client
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from croupier.clickhouse import Address, Away, ClickHouse, Refused
from croupier.errors import CroupierError
from croupier_cli.embedded import DataDirectoryInUse, PortInUse
from croupier_cli.embedded.clickhouse import ClickHouse as Server

_TABLE = """
CREATE TABLE t (a UInt32, s LowCardinality(String), CONSTRAINT fit CHECK a != 13) ENGINE = MergeTree ORDER BY a
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server.start(tmp_path) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[ClickHouse]:
    client = ClickHouse.of_url(server.url)
    await client.make_database()
    await client.execute(f"{_TABLE} SETTINGS non_replicated_deduplication_window = 100", timeout_s=10)
    yield client
    await client.close()


async def insert(client: ClickHouse, token: str, *numbers: object) -> None:
    columns = {"a": numbers, "s": ["x"] * len(numbers)}
    await client.insert("t", columns, ["UInt32", "LowCardinality(String)"], token=token, timeout_s=10)


async def count(client: ClickHouse) -> int:
    found: int = (await client.fetch("SELECT count() AS n FROM t"))[0]["n"]
    return found


async def test_given_inserts_when_killed_and_started_again_then_all_is_there_and_tokens_still_count_once(
    server: Server, client: ClickHouse, tmp_path: Path
) -> None:
    await insert(client, "one", *range(10))
    await insert(client, "one", *range(10))
    # A first byte of data that looks like white space to a parser.
    await insert(client, "two", *range(10, 13))
    assert server.kill() == -9
    with pytest.raises(Away):
        await count(client)
    with Server.start(tmp_path, port=server.port) as again:
        assert again.url == server.url
        await insert(client, "two", *range(10, 13))
        assert await count(client) == 13
        assert again.stop() == 0


async def test_given_data_that_do_not_fit_when_inserted_then_refused_and_nothing_is_there(
    client: ClickHouse,
) -> None:
    for number in (13, -1, "x", None):
        with pytest.raises(Refused):
            await insert(client, str(number), 1, number)
    assert await count(client) == 0
    with pytest.raises(Away, match="UNKNOWN_TABLE"):
        await client.insert("absent", {"a": [1]}, ["UInt32"], token="x", timeout_s=10)


async def test_given_questions_when_asked_then_they_are_bounded_and_change_nothing(
    client: ClickHouse,
) -> None:
    asked = await client.ask("SELECT {text:String} AS text", {"text": "it's\ta \\ text"})
    assert asked == [{"text": "it's\ta \\ text"}]
    for statement, most in (("SELECT * FROM numbers(100)", 10), ("DROP TABLE t", 1)):
        with pytest.raises(Away):
            await client.fetch(statement, rows_max=most)
    with pytest.raises(CroupierError, match="NOT_READY"):
        await client.ask("SELECT sleepEachRow(1) FROM numbers(5)", timeout_s=1)
    with pytest.raises(CroupierError, match="NOT_READY"):
        await client.ask("SELECT 1")  # at once, for a moment
    assert await count(client) == 0


async def test_given_no_password_when_asked_then_refused_and_the_password_is_closed_to_others(
    server: Server, client: ClickHouse, tmp_path: Path
) -> None:
    stranger = ClickHouse(client.address._replace(password="guess"))
    with pytest.raises(Away, match="Authentication failed"):
        await stranger.fetch("SELECT 1")
    await stranger.close()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("POST", "/", body=b"SELECT 1")
    assert connection.getresponse().status == 403
    connection.close()
    assert stat.S_IMODE((tmp_path / "password").stat().st_mode) == 0o600


def test_given_a_directory_or_port_in_use_when_started_then_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryInUse):
        Server.start(tmp_path)
    with pytest.raises(PortInUse):
        Server.start(tmp_path / "other", port=server.port)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8123", "tcp://host/x", "http://host:port/x", "http://host/a/b"]
)
def test_given_a_url_that_is_none_when_parsed_then_refused_without_its_text(url: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        Address.from_url(url)


def test_given_a_url_when_parsed_then_parts_have_defaults_and_are_unquoted() -> None:
    assert Address.from_url("https://u:p%40x@host") == Address("https", "host", 8443, "u", "p@x", "default")
