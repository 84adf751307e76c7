"""Redis URLs."""

import ssl

import pytest

from croupier.transport import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(host="localhost", port=6379)),
        ("redis://localhost:7000/", Address(host="localhost", port=7000)),
        ("redis://127.0.0.1:7000/3", Address(host="127.0.0.1", port=7000, database=3)),
        ("redis://localhost?db=3", Address(host="localhost", port=6379, database=3)),
        ("redis://:secret@localhost", Address(host="localhost", port=6379, password="secret")),
        (
            "rediss://alice:p%40ss%2Fword@[::1]:7000",
            Address(host="::1", port=7000, username="alice", password="p@ss/word"),
        ),
        ("unix:///run/redis%20one.sock?db=2", Address(socket_path="/run/redis one.sock", database=2)),
        ("unix://alice:secret@/run/r", Address(socket_path="/run/r", username="alice", password="secret")),
    ],
)
def test_given_a_redis_url_when_parsed_then_each_part_is_found(url: str, address: Address) -> None:
    assert Address.from_url(url) == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://localhost", "must start with"),
        ("localhost:6379", "must start with"),
        ("redis://", "no host"),
        ("unix://", "no socket path"),
        ("redis://alice:secret/word@localhost:6379", "port is not a number"),
        ("redis://localhost:0", "port is not a number"),
        ("redis://localhost:70000", "port is not a number"),
        ("redis://localhost/secret", "database is not one number"),
        ("redis://localhost/1?db=2", "database is not one number"),
        ("redis://localhost/-1", "database is not one number"),
        ("redis://localhost?protocol=3", "unknown options: protocol"),
        ("redis://localhost?secret", "query is malformed"),
        ("redis://localhost?ssl_ca_certs=/a.pem", "ssl_ca_certs, which are for TLS: write rediss://"),
        ("rediss://localhost?ssl_ca_certs=/nowhere.pem", "/nowhere.pem: No such file"),
        (
            "rediss://localhost?ssl_certfile=/nowhere.pem",
            "ssl_certfile and ssl_keyfile of the Redis URL: No such file",
        ),
        ("rediss://localhost?ssl_keyfile=/nowhere.pem", "ssl_keyfile without ssl_certfile"),
        ("rediss://localhost?ssl_ca_certs=/a.pem&ssl_ca_certs=/b.pem", "ssl_ca_certs twice"),
        (f"rediss://localhost?ssl_ca_certs={__file__}", "no certificate"),
        ("redis://secret@localhost", "user name but no password"),
        ("redis://:[secret]@localhost", "malformed"),
        ("redis://:[secret@localhost", "malformed"),
        ("redis://:secret\u2100@localhost", "malformed"),
    ],
)
def test_given_a_bad_url_when_parsed_then_the_message_names_the_part_without_quoting_it(
    url: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        Address.from_url(url)
    assert "secret" not in str(raised.value)


def test_given_a_url_with_two_s_when_parsed_then_the_server_must_prove_who_it_is() -> None:
    tls = Address.from_url("rediss://localhost").tls
    assert tls is not None
    assert tls.check_hostname and tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert Address.from_url("redis://localhost").tls is None


def test_given_credentials_when_an_address_is_printed_then_they_do_not_show() -> None:
    address = Address.from_url("rediss://alice:secret@[::1]:7000/3")
    assert str(address) == "[::1]:7000"
    assert "alice" not in repr(address) and "secret" not in repr(address)
