"""Brokers that ask for TLS, or for a login: every client of Kafka is made with it."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from croupier.settings import Settings, SettingsError
from croupier_cli.embedded import Kafka
from croupier_cli.embedded.kafka import find_kafka
from croupier_schemas.messages import TOPIC_ACTIONS
from croupier_sync.export import kafka as clients
from croupier_sync.export import reading
from croupier_sync.export.kafka import Producer, make_topics, partition_of
from croupier_sync.export.messages import Message
from croupier_sync.export.reading import Topics
from croupier_sync.export.turns import Unavailable
from tests.cli.support import free_port
from tests.sync.support import until

PASSWORD = "s3cret"
LOGIN = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "croupier",
    "KAFKA_SASL_PASSWORD": PASSWORD,
}


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=croupier-test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A broker behind TLS: its address, and the certificate that it shows."""
    certificate, key = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    inner, outer = free_port(), free_port()
    answering: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.current_task())
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.gather(carry(reader, broker_writer), carry(broker_reader, writer))

    arguments = ("--storage-engine", "memory://tansu/", "--listener-url", f"tcp://127.0.0.1:{inner}")
    advertised = ("--advertised-listener-url", f"tcp://127.0.0.1:{outer}")
    broker = await asyncio.create_subprocess_exec(
        *(str(find_kafka()), "broker", *arguments, *advertised),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", inner)
        except OSError:
            return False
        writer.close()
        return True

    server = await asyncio.start_server(answer, "127.0.0.1", outer, ssl=context)
    try:
        await until(listens, "the broker to listen")
        yield f"127.0.0.1:{outer}", certificate
    finally:
        server.close()
        broker.kill()
        await broker.wait()
        await asyncio.gather(*filter(None, answering))


async def test_given_a_broker_behind_tls_when_published_and_read_then_it_goes_through_and_only_if_it_is_trusted(
    guarded: tuple[str, Path],
) -> None:
    servers, certificate = guarded
    trusting = Settings(
        kafka_bootstrap_servers=servers, kafka_security_protocol="SSL", kafka_ssl_cafile=str(certificate)
    )
    message = Message(TOPIC_ACTIONS, b"7", b"{}", [], 0)
    producer = await Producer.open(trusting)
    try:
        await producer.send([message])
        place = TOPIC_ACTIONS, partition_of(b"7", trusting.kafka_topic_partitions)
        topics = await Topics.open(trusting)
        try:
            topics.seek(dict.fromkeys(topics.places, 0))

            async def found() -> list[bytes]:
                return [each.value for each in (await topics.read(10)).get(place, [])]

            assert await until(found, "the message") == [b"{}"]
        finally:
            await topics.close()
    finally:
        await producer.close()
    for distrusting in (
        Settings(kafka_bootstrap_servers=servers, kafka_security_protocol="SSL"),
        Settings(
            kafka_bootstrap_servers=servers, kafka_security_protocol="SSL", kafka_ssl_cafile="/nonexistent"
        ),
    ):
        with pytest.raises(Unavailable):
            await Producer.open(distrusting)
        with pytest.raises(Unavailable):
            await Topics.open(distrusting)


async def test_given_a_login_when_clients_are_made_then_each_has_it_and_no_failure_tells_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[AIOKafkaClient] = []

    async def record(client: AIOKafkaClient) -> None:
        made.append(client)
        raise KafkaConnectionError(f"cannot connect to {client.hosts}")

    async def topics_are_there(_settings: Settings) -> None:
        """As if."""

    settings = Settings.from_environment(LOGIN)
    monkeypatch.setattr(AIOKafkaClient, "bootstrap", record)
    with pytest.raises(KafkaConnectionError):
        await make_topics(settings)
    monkeypatch.setattr(clients, "make_topics", topics_are_there)
    monkeypatch.setattr(reading, "make_topics", topics_are_there)
    with pytest.raises(Unavailable) as of_producer:
        await Producer.open(settings)
    with pytest.raises(Unavailable) as of_reader:
        await Topics.open(settings)
    assert len(made) == 3
    for client in made:
        assert (client._security_protocol, client._sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
        assert (client._sasl_plain_username, client._sasl_plain_password) == ("croupier", PASSWORD)
        assert client._ssl_context is not None
    assert PASSWORD not in f"{of_producer.value}{of_reader.value}{settings}"


@pytest.mark.parametrize("missing", ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
def test_given_half_a_login_when_settings_are_read_then_refused_without_the_password(missing: str) -> None:
    environment = {name: value for name, value in LOGIN.items() if name != missing}
    with pytest.raises(SettingsError, match=missing) as refused:
        Settings.from_environment(environment)
    assert PASSWORD not in str(refused.value)


async def test_given_a_broker_without_idempotent_producers_when_opened_again_then_that_is_told_once(
    kafka: Kafka,
) -> None:
    clients._say_plain.cache_clear()
    settings = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    with capture_logs() as logs:
        for _ in range(2):
            await (await Producer.open(settings)).close()
    assert [entry["log_level"] for entry in logs if "idempotent" in entry["event"]] == ["info"]
