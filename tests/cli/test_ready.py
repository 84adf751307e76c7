"""The links that `croupier up` prints."""

import jwt
import pytest

from croupier.settings import Settings
from croupier_cli.ready import ready, text

SECRET = "5f1c9e27a84b03d6e2b7f0c4918a6d35"


def settings(host: str) -> Settings:
    return Settings(http_host=host, http_port=8000, jwt_secret_key=SECRET)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_given_a_server_for_this_machine_only_then_links_sign_a_player_and_an_administrator_in(
    host: str,
) -> None:
    printed = ready(settings(host))
    for link, path, role in ((printed.play, "/play", "user"), (printed.console, "/console", "admin")):
        assert link is not None
        address, _, token = link.partition("#token=")
        assert address == printed.url + path
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        assert claims["role"] == role
        assert claims["exp"] - claims["iat"] == printed.token_expires_in_s
        assert f"\n  {link}\n" in text(printed)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "casino.example"])
def test_given_a_server_for_other_machines_then_no_link_signs_anybody_in(host: str) -> None:
    printed = ready(settings(host))
    assert (printed.play, printed.console) == (None, None)
    assert "#token=" not in text(printed)
    assert "/console" not in text(printed)
