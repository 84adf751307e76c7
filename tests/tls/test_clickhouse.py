"""ClickHouse over https with an authority of one's own."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from croupier.clickhouse import Away, ClickHouse
from croupier.settings import Settings
from tests.tls.relays import HOST, Authority


def test_given_a_cafile_that_cannot_be_used_then_refused_in_a_line(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for url, words in (
        (f"https://h/d?cafile={tmp_path}/missing", "/missing: No such file"),
        (f"http://h/d?cafile={quote(str(authority.file))}", "must begin with https://"),
    ):
        (line,) = Settings(clickhouse_url=url).problems()
        assert line.startswith("CLICKHOUSE_URL") and words in line
    assert Settings(clickhouse_url=f"https://h/d?cafile={quote(str(authority.file))}").problems() == []


async def test_given_a_cafile_then_a_server_of_that_authority_is_spoken_to_and_no_other(
    tmp_path: Path,
) -> None:
    asked = asyncio.Event()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline():
            asked.set()
        writer.close()

    async def ask(url: str) -> None:
        clickhouse = ClickHouse.of_url(url)
        with pytest.raises(Away):
            await clickhouse.fetch("SELECT 1")
        await clickhouse.close()

    (tmp_path / "stranger").mkdir()
    authority, stranger = Authority(tmp_path), Authority(tmp_path / "stranger")
    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=authority.server())
    async with server:
        url = f"https://{HOST}:{server.sockets[0].getsockname()[1]}/d?cafile="
        await ask(url + quote(str(stranger.file)))
        assert not asked.is_set()  # the handshake failed
        await ask(url + quote(str(authority.file)))
        assert asked.is_set()
