"""Valid input made strange: by bits, bytes, pieces, and the words that parsers look out for."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import msgspec

from croupier_http.endpoints import CLOCK
from tests.http.support import PULL, WALLET, token

GROWN_MAX: Final = 80_000
"""Bytes, more than a body, a head or a frame may have."""

_BEARER: Final = f"Authorization: Bearer {token(4_242)}\r\n".encode()
_ADMIN: Final = f"Authorization: Bearer {token(4_243, role='admin')}\r\n".encode()
_NUMBERS: Final = (
    b"0", b"-1", b"+1", b"1", b"00", b"1e400", b"2147483648", b"4294967296", b"9007199254740993",
    b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999", b"0x10",
    b"NaN", b"-Infinity", b"1.0",
)  # fmt: skip
HTTP_WORDS: Final = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"%00", b"%ff", b"%", b"\xff\xfe",
    b"//", b"/..",
    b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"GET", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"DELETE",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\n",
    b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b"Host: y\r\n", b"X-Forwarded-For: \xff, 1.2.3.4\r\n",
    b"Origin: null\r\n",
    b"Idempotency-Key: again\r\n", b"Sec-WebSocket-Key1: x\r\n", f"{CLOCK}: 5\r\n".encode(), b"X-Request-Id: \xff\r\n",
    b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"?", b"#", b"*", b"http://", _BEARER, _ADMIN,
)  # fmt: skip
JSON_WORDS: Final = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"true", b'"\\ud800"', b'"\\u0000"', b"\xff", b"\xef\xbb\xbf",
    b"\\",
    b'"count":1,', b'"__proto__":{},', b"[" * 2_000, b'{"a":' * 2_000, b"1" * 400, b"1.5", b" ",
)  # fmt: skip
MSGPACK_WORDS: Final = (
    b"\xc0", b"\xc1", b"\xc2", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xde\xff\xff",
    b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xc4\x01a", b"\xd4\x01\x00",
    b"\xd6\xff\x00\x00\x00\x00", b"\xd7\xff" + b"\xff" * 8, b"\xc7\x0c\xff" + b"\xff" * 12, b"\xa2\xff\xfe",
    b"\xa3\xed\xa0\x80",
    b"\xcb\x7f\xf8" + b"\0" * 6, b"\xcb\x7f\xf0" + b"\0" * 6, b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\0" * 7,
    b"\x91" * 2_000,
    b"\x81\xa1a" * 2_000, b"\x80", b"\x90", b"\x91\x90", b"\x81\x01\x02", b"\xca\x7f\xc0\0\0",
)  # fmt: skip

_COMMANDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("gacha.pull", {"count": 10, "banner": "standard"}),
    ("slot.spin", {"bet_amount": 100}),
    ("rps.play", {"player_move": "PAPER", "bet_amount": 100}),
    ("crash.bet", {"bet_amount": 100}),
    ("crash.cashout", {"game_id": "0" * 32}),
    ("fairness.rotate", {"client_seed": "mine"}),
    ("session.start", {"game_type": "slot"}),
    ("ping", {}),
)


class Mutator:
    """Makes inputs of a corpus; which ones follows from `random`."""

    def __init__(self, random: Random, corpus: Sequence[bytes], words: Sequence[bytes]) -> None:
        self._random = random
        self._corpus = corpus
        self._words = (*words, *_NUMBERS)
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._flip, self._set, self._cut, self._end, self._double, self._splice, self._insert,
            self._insert, self._insert, self._replace_number, self._swap, self._grow,
        )  # fmt: skip

    def next(self) -> bytes:
        """Another input."""
        data = self._random.choice(self._corpus)
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 5))):
            data = self._random.choice(self._ways)(data) or b"\0"
        return data

    def _place(self, data: bytes) -> int:
        return self._random.randrange(len(data))

    def _range(self, data: bytes) -> tuple[int, int]:
        first = self._place(data)
        return first, min(len(data), first + self._random.choice((1, 2, 4, 16, 64, 512)))

    def _flip(self, data: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + bytes([data[place] ^ 1 << self._random.randrange(8)]) + data[place + 1 :]

    def _set(self, data: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + bytes([self._random.choice((0, 10, 13, 32, 127, 128, 255))]) + data[place + 1 :]

    def _cut(self, data: bytes) -> bytes:
        first, last = self._range(data)
        return data[:first] + data[last:]

    def _end(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _double(self, data: bytes) -> bytes:
        first, last = self._range(data)
        return data[:last] + data[first:]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._corpus)
        return data[: self._place(data)] + other[self._place(other) :]

    def _insert(self, data: bytes) -> bytes:
        lines = [place + 2 for place in range(len(data) - 1) if data[place : place + 2] == b"\r\n"]
        place = self._random.choice(lines) if lines and self._random.random() < 0.5 else self._place(data)
        return data[:place] + self._random.choice(self._words) + data[place:]

    def _replace_number(self, data: bytes) -> bytes:
        digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
        if not digits:
            return data
        place = self._random.choice(digits)
        return data[:place] + self._random.choice(_NUMBERS) + data[place + 1 :]

    def _swap(self, data: bytes) -> bytes:
        first, last = self._range(data)
        return data[last:] + data[first:last] + data[:first]

    def _grow(self, data: bytes) -> bytes:
        first, last = self._range(data)
        times = self._random.randrange(2, max(3, GROWN_MAX // (last - first)))
        return data[:first] + data[first:last] * times + data[last:]


def http_corpus() -> list[bytes]:
    """Valid requests of all kinds."""
    json_type = b"Content-Type: application/json\r\n"
    posts = [
        _request("POST", PULL, b'{"count":1}', _BEARER + json_type + b"Idempotency-Key: mine\r\n"),
        _request("POST", PULL, b'{"pullCount":10,"banner":"standard"}', _BEARER + json_type),
        _request("POST", "/api/games/slot/spin", b'{"bet_amount":100}',
            _BEARER + json_type + b"Idempotency-Key: mine\r\n"),
        _request("POST", "/api/games/rps/play", b'{"player_move":"ROCK","bet_amount":100}', _BEARER + json_type),
        _request("POST", "/api/games/crash/bet", b'{"bet_amount":100,"auto_cashout":1.5}', _BEARER + json_type),
        _request("POST", "/api/fairness/rotate", b'{"client_seed":"mine"}', _BEARER + json_type),
        _request("POST", "/api/rewards/distribute",
            b'{"user_id":4242,"reward_type":"TOKENS","amount":5,"source_description":"event"}', _ADMIN + json_type),
    ]  # fmt: skip
    gets = [
        _request("GET", path, b"", _BEARER)
        for path in (
            WALLET, "/api/games/gacha/odds?banner=standard", "/api/games/gacha/banners", "/api/fairness/receipts/0-1-1",
            "/health", "/api/games/gacha/history?limit=5",
        )
    ]  # fmt: skip
    chunked = (
        f"POST {PULL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n".encode() + _BEARER + json_type
        + b'\r\n5\r\n{"cou\r\n6;x=y\r\nnt":1}\r\n0\r\n\r\n'
    )  # fmt: skip
    handshake = (
        b"GET /api/games/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: croupier.json\r\n" + _BEARER + b"\r\n"
    )
    return [*posts, *gets, chunked, handshake, posts[0] + gets[0], gets[0] + posts[2]]


def _request(method: str, path: str, body: bytes, lines: bytes) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}".encode() + lines + b"\r\n" + body


def json_frames() -> list[bytes]:
    """Valid frames of the JSON subprotocol."""
    one = [[number, name, arguments, f"k{number}"] for number, (name, arguments) in enumerate(_COMMANDS)]
    return [json.dumps(each).encode() for each in (*one, one[:3], [call[:3] for call in one])]


def msgpack_frames() -> list[bytes]:
    """Valid frames of the msgpack subprotocol."""
    one = [[number, name, arguments, f"k{number}"] for number, (name, arguments) in enumerate(_COMMANDS)]
    return [msgspec.msgpack.encode(each) for each in (*one, one[:3], [call[:3] for call in one])]
