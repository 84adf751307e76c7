"""ClickHouse over https with an authority of one's own."""

import asyncio
import ssl
from urllib.parse import quote

import pytest

from croupier.clickhouse import Away, ClickHouse
from croupier.settings import Settings
from tests.tls.conftest import Certificates


def test_given_a_cafile_that_cannot_be_used_then_refused_in_a_line(certificates: Certificates) -> None:
    for url, words in (
        ("https://h/d?cafile=/nonexistent", "/nonexistent cannot be read"),
        (f"http://h/d?cafile={quote(certificates.ca)}", "must begin with https://"),
    ):
        (line,) = Settings(clickhouse_url=url).problems()
        assert line.startswith("CLICKHOUSE_URL") and words in line
    assert Settings(clickhouse_url=f"https://h/d?cafile={quote(certificates.ca)}").problems() == []


async def test_given_a_cafile_then_a_server_of_that_authority_is_spoken_to_and_no_other(
    certificates: Certificates, strangers: Certificates
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

    context: ssl.SSLContext = certificates.server()
    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/d?cafile="
        await ask(url + quote(strangers.ca))
        assert not asked.is_set()  # the handshake failed
        await ask(url + quote(certificates.ca))
        assert asked.is_set()
