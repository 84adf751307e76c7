"""docs/operating/tls.md: the commands that it shows make certificates that Croupier takes."""

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from croupier.settings import Settings
from croupier_cli.embedded import Valkey
from croupier_http.preflight import connect_later
from tests.tls.conftest import relay

PAGE = (Path(__file__).parents[2] / "docs" / "operating" / "tls.md").read_text("utf-8")


async def test_given_the_certificates_of_the_page_then_redis_is_reached_with_them(
    valkey: Valkey, redis_url: str, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    commands = commands.replace("DNS:redis.internal", "IP:127.0.0.1")
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "redis.pem", tmp_path / "redis.key")
    async with relay(valkey, server) as url:
        settings = Settings(redis_url=url, redis_ssl_cafile=str(tmp_path / "ca.pem"))
        assert settings.problems() == []
        transport = connect_later(settings)
        await transport.open()
        assert await transport.call("PING") == b"PONG"
        await transport.close()
