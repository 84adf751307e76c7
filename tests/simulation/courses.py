"""Random courses of plain commands, on few keys, so that they meet; what the product sends is among them."""

from random import Random
from typing import Final

_KEYS: Final = (b"{0}:a", b"{0}:b", b"{0}:c", b"{0}:stream", b"{0}:hash", b"{0}:zset")
_FIELDS: Final = (b"one", b"two", b"three")
_IDS: Final = (b"0-0", b"1-0", b"1-1", b"1-2", b"2-0", b"2-5", b"3-1", b"3")


def course(chance: Random, length: int) -> list[list[bytes]]:
    """So many commands."""
    return [_command(chance) for _ in range(length)]


def _command(chance: Random) -> list[bytes]:
    kind = chance.choice((_string, _string, _key, _hash, _zset, _stream, _stream, _stream))
    return kind(chance, chance.choice(_KEYS) if chance.random() < 0.15 else b"")


def _string(chance: Random, key: bytes) -> list[bytes]:
    key = key or chance.choice(_KEYS[:3])
    value = chance.randbytes(chance.randrange(4))
    return chance.choice(
        (
            [b"SET", key, value],
            [b"SET", key, value, b"NX", b"PX", b"100000", b"GET"],
            [b"SET", key, value, b"PX", b"100000"],
            [b"SET", key, value, b"XX"],
            [b"GET", key],
            [b"MGET", *_KEYS],
            [b"MSET", key, value, _KEYS[0], b"both"],
            [b"SETRANGE", key, b"%d" % chance.randrange(6), value],
        )
    )


def _key(chance: Random, key: bytes) -> list[bytes]:
    key = key or chance.choice(_KEYS)
    return chance.choice(
        (
            [b"DEL", key, chance.choice(_KEYS)],
            [b"UNLINK", key],
            [b"EXISTS", key, key, chance.choice(_KEYS)],
            [b"RENAME", key, chance.choice(_KEYS)],
            [b"TYPE", key],
            [b"PEXPIRE", key, chance.choice((b"100000", b"-1"))],
            [b"PEXPIRE", key, b"soon"],
            [b"GET"],
            [b"NONSENSE", key],
        )
    )


def _hash(chance: Random, key: bytes) -> list[bytes]:
    key, field = key or _KEYS[4], chance.choice(_FIELDS)
    return chance.choice(
        (
            [b"HSET", key, field, chance.randbytes(2), chance.choice(_FIELDS), b"x"],
            [b"HGET", key, field],
            [b"HMGET", key, *_FIELDS],
            [b"HGETALL", key],
            [b"HEXISTS", key, field],
            [b"HDEL", key, field],
        )
    )


def _zset(chance: Random, key: bytes) -> list[bytes]:
    key, member = key or _KEYS[5], chance.choice(_FIELDS)
    score = b"%d" % chance.randrange(5)
    return chance.choice(
        (
            [b"ZADD", key, score, member],
            [b"ZADD", key, b"XX", score, member],
            [b"ZREM", key, member, b"nobody"],
            [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            [b"ZRANGE", key, b"1", b"2"],
            [b"ZRANGEBYSCORE", key, b"-inf", score, b"LIMIT", b"0", b"2"],
            [b"ZRANGEBYSCORE", key, score, b"+inf", b"WITHSCORES"],
        )
    )


def _stream(chance: Random, key: bytes) -> list[bytes]:
    key, entry = key or _KEYS[3], chance.choice(_IDS)
    epoch = b"%d-*" % chance.randrange(1, 4)
    exclusive = b"(" + entry
    return chance.choice(
        (
            [b"XADD", key, epoch, b"h", b"1", b"b", chance.randbytes(2)],
            [b"XADD", key, b"NOMKSTREAM", epoch, b"h", b"2"],
            [b"XADD", key, entry, b"h", b"3"],
            [b"XADD", key, epoch, b"h"],
            [b"XLEN", key],
            [b"XRANGE", key, entry, b"+", b"COUNT", b"3"],
            [b"XRANGE", key, b"-", entry],
            [b"XRANGE", key, exclusive, b"+"],
            [b"XREVRANGE", key, exclusive, b"-", b"COUNT", b"2"],
            [b"XREVRANGE", key, b"+", b"-", b"COUNT", b"1"],
            [b"XTRIM", key, b"MINID", entry],
            [b"XREAD", b"COUNT", b"1", b"BLOCK", b"1", b"STREAMS", key, entry],
        )
    )
