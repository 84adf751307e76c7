"""Where one request ends and the next begins: what two servers in a row could read differently is refused by this one.

Behind each request of these tests goes another one. Where the first is refused for its framing, the second must not be
answered: it may be what the sender wants another server to have taken for a body.
"""

import asyncio

from tests.http.support import (
    DEADLINE_S,
    PULL,
    WALLET,
    Client,
    assert_is_error,
    dump,
    parsed,
    running,
    settings_for,
    token,
)

BEARER = f"Authorization: Bearer {token()}\r\n".encode()
POST = f"POST {PULL} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode() + BEARER
GET = f"GET {WALLET} HTTP/1.1\r\nHost: x\r\n".encode() + BEARER
LAST = GET + b"Connection: close\r\n\r\n"
LONG_ID = b"fairness/receipts/" + b"9" * 7_000
PARAMETERS = b"wallet?" + b"&".join(b"a%d=" % number for number in range(1_000))
BODY = b'{"count":1}'
CHUNKS = b'b\r\n{"count":1}\r\n0\r\n\r\n'
LENGTH, CHUNKED = b"Content-Length: 11\r\n", b"Transfer-Encoding: chunked\r\n"

REFUSED = {
    "a length and chunks": POST + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "chunks and a length": POST + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "a length twice": POST + LENGTH + LENGTH + b"\r\n" + BODY,
    "two lengths": POST + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY,
    "two lengths in one": POST + b"Content-Length: 11, 0\r\n\r\n" + BODY,
    "a length with a sign": POST + b"Content-Length: +11\r\n\r\n" + BODY,
    "a length in hexadecimal": POST + b"Content-Length: 0xb\r\n\r\n" + BODY,
    "a length with a space": POST + b"Content-Length: 1 1\r\n\r\n" + BODY,
    "a space before the colon": POST + b"Content-Length : 11\r\n\r\n" + BODY,
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    "an unknown transfer coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "chunks that are not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS,
    "no coding": POST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    "chunks twice": POST + CHUNKED + CHUNKED + b"\r\n" + CHUNKS,
    "chunks in chunks": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS,
    "a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "chunks in 1.0": POST.replace(b"/1.1", b"/1.0") + CHUNKED + b"\r\n" + CHUNKS,
    "line feeds alone": (POST + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "a line feed alone": POST + b"X: y\n" + LENGTH + b"\r\n" + BODY,
    "a carriage return alone": POST + b"X: y\r" + LENGTH + b"\r\n" + BODY,
    "a folded header": POST + b"X: y\r\n " + LENGTH + b"\r\n" + BODY,
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS,
    "a null in a name": POST + b"X\0Y: z\r\n" + LENGTH + b"\r\n" + BODY,
    "a null in a value": POST + b"X: y\0z\r\n" + LENGTH + b"\r\n" + BODY,
    "a header without a name": POST + b": z\r\n" + LENGTH + b"\r\n" + BODY,
    "a line feed behind a chunk's size": POST + CHUNKED + b"\r\nb;x\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": POST + CHUNKED + b"\r\n1000000000000000b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a negative chunk": POST + CHUNKED + b"\r\n-1\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk longer than its size": POST + CHUNKED + b"\r\na\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a length in a trailer": POST + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n",
    "too many trailers": POST + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"X: y\r\n" * 200 + b"\r\n",
    "no host": GET.replace(b"Host: x\r\n", b"") + b"\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "too many headers": GET + b"X: y\r\n" * 129 + b"\r\n",
    "an address of authority form": GET.replace(WALLET.encode(), b"evil:80") + b"\r\n",
    "an absolute address without a host": GET.replace(WALLET.encode(), b"http:///x") + b"\r\n",
    "bytes beyond ascii in an address": GET.replace(WALLET.encode(), b"/api/\xff") + b"\r\n",
    "a method in lower case": GET.replace(b"GET", b"get") + b"\r\n",
    "http/0.9": b"GET /api/wallet\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the proxy protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GET + b"\r\n",
}  # fmt: skip
ANSWERED = {
    "an extension of a chunk": (POST + CHUNKED + b"\r\nb;x=y\r\n" + BODY + b"\r\n0\r\n\r\n", 200),
    "a trailer": (POST + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"Idempotency-Key: two words\r\n\r\n", 200),
    "an absolute address": (GET.replace(WALLET.encode(), b"http://evil" + WALLET.encode()) + b"\r\n", 200),
    "another way to write an address": (GET.replace(b"wallet", b"w%61llet") + b"\r\n", 404),
    "a dotted address": (GET.replace(b"/api", b"/x/../api") + b"\r\n", 404),
    "a null in an address": (GET.replace(b"wallet", b"wallet%00") + b"\r\n", 404),
    "a name beyond its bound in an address": (GET.replace(b"wallet", LONG_ID) + b"\r\n", 422),
    "a thousand parameters": (GET.replace(b"wallet", PARAMETERS) + b"\r\n", 422),
    "a body where none is read": (GET + LENGTH + b"\r\n" + BODY, 200),
    "a proxy's method": (b"CONNECT evil:80 HTTP/1.1\r\nHost: evil\r\n\r\n", 404),
    "the server itself": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "an expectation that nobody knows": (POST + LENGTH + b"Expect: 200-ok\r\n\r\n" + BODY, 200),
    "the most headers": (GET + b"X: y\r\n" * 126 + b"\r\n", 200),
}  # fmt: skip


async def answers(client: Client, data: bytes) -> list[bytes]:
    """All that comes until the server closes, reply by reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(data)
    try:
        async with asyncio.timeout(DEADLINE_S):
            raw = await reader.read(-1)
    finally:
        writer.close()
        await writer.wait_closed()
    return [b"HTTP/1.1 " + reply for reply in raw.split(b"HTTP/1.1 ")[1:]]


async def test_given_a_request_that_can_be_read_in_two_ways_when_sent_then_400_and_what_follows_is_not_read(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url)) as client:
        state = dump(redis_url)
        for name, data in REFUSED.items():
            replies = await answers(client, data + LAST)

            assert len(replies) == 1, (name, replies)
            reply = parsed(replies[0])
            assert_is_error(reply, 400, "MALFORMED_REQUEST")
            assert reply.headers["Connection"] == "close", name
        assert dump(redis_url) == state


async def test_given_an_unusual_request_when_answered_then_the_one_behind_it_is_answered_too(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url)) as client:
        for name, (data, status) in ANSWERED.items():
            replies = [parsed(reply).status for reply in await answers(client, data + LAST)]

            assert replies == [status, 200], name
