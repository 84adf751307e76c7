"""Commands of keys and strings."""

import zlib
from fnmatch import fnmatchcase

from tests.simulation.valkey.store import (
    OK,
    Command,
    CommandError,
    Reply,
    SortedSet,
    Status,
    Store,
    Stream,
    integer,
    options,
)

SCANNED_AT_ONCE = 32


def get(store: Store, key: bytes) -> Reply:
    return store.text(key)


def mget(store: Store, *names: bytes) -> Reply:
    values = (store.find(name) for name in names)
    return [value if isinstance(value, bytes) else None for value in values]


def set_(store: Store, key: bytes, value: bytes, *words: bytes) -> Reply:
    given = options(words, NX=0, XX=0, GET=0, PX=1, PXAT=1, EX=1)
    before = store.text(key) if "GET" in given else store.find(key)
    if ("NX" in given and before is not None) or ("XX" in given and before is None):
        return before if "GET" in given and isinstance(before, bytes) else None
    store.keys[key] = value
    store.expires_ms.pop(key, None)
    effect: Command = (b"SET", key, value)
    until_ms = _until_ms(store, given)
    if until_ms is not None:
        store.expires_ms[key] = until_ms
        effect += (b"PXAT", b"%d" % until_ms)
    store.effects.append(effect)
    return before if "GET" in given and isinstance(before, bytes) else None if "GET" in given else OK


def _until_ms(store: Store, given: dict[str, tuple[bytes, ...]]) -> int | None:
    if "PXAT" in given:
        return integer(given["PXAT"][0])
    for name, unit in (("PX", 1), ("EX", 1_000)):
        if name in given:
            if integer(given[name][0]) <= 0:
                raise CommandError("ERR invalid expire time in 'set' command")
            return store.clock_ms() + unit * integer(given[name][0])
    return None


def mset(store: Store, *pairs: bytes) -> Reply:
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        store.keys[key] = value
        store.expires_ms.pop(key, None)
    store.effects.append((b"MSET", *pairs))
    return OK


def setrange(store: Store, key: bytes, offset: bytes, value: bytes) -> Reply:
    start, before = integer(offset), store.text(key) or b""
    if not value:
        return len(before)
    after = before[:start].ljust(start, b"\0") + value + before[start + len(value) :]
    store.keys[key] = after
    store.effects.append((b"SETRANGE", key, offset, value))
    return len(after)


def delete(store: Store, *names: bytes) -> Reply:
    gone = [name for name in names if store.find(name) is not None and store.drop(name)]
    if gone:
        store.effects.append((b"DEL", *gone))
    return len(gone)


def exists(store: Store, *names: bytes) -> Reply:
    return sum(store.find(name) is not None for name in names)


def rename(store: Store, old: bytes, new: bytes) -> Reply:
    value = store.find(old)
    if value is None:
        raise CommandError("ERR no such key")
    expires_ms = store.expires_ms.get(old)
    store.drop(old)
    store.drop(new)
    store.keys[new] = value
    if expires_ms is not None:
        store.expires_ms[new] = expires_ms
    store.effects.append((b"RENAME", old, new))
    return OK


def type_(store: Store, key: bytes) -> Reply:
    names = {bytes: b"string", dict: b"hash", Stream: b"stream", SortedSet: b"zset"}
    value = store.find(key)
    return Status(b"none" if value is None else names[type(value)])


def pexpire(store: Store, key: bytes, left_ms: bytes) -> Reply:
    return pexpireat(store, key, b"%d" % (store.clock_ms() + integer(left_ms)))


def pexpireat(store: Store, key: bytes, when_ms: bytes) -> Reply:
    if store.find(key) is None:
        return 0
    if integer(when_ms) <= store.clock_ms():
        store.drop(key)
        store.effects.append((b"DEL", key))
    else:
        store.expires_ms[key] = integer(when_ms)
        store.effects.append((b"PEXPIREAT", key, when_ms))
    return 1


def pttl(store: Store, key: bytes) -> Reply:
    if store.find(key) is None:
        return -2
    return store.expires_ms[key] - store.clock_ms() if key in store.expires_ms else -1


def keys(store: Store, pattern: bytes) -> Reply:
    return [name for name in list(store.keys) if store.find(name) is not None and _fits(name, pattern)]


def scan(store: Store, cursor: bytes, *words: bytes) -> Reply:
    """In the order of a hash of the names, some at a time: what is there all the while is found, new keys may be."""
    given = options(words, MATCH=1, COUNT=1)
    placed = sorted((zlib.crc32(name) + 1, name) for name in list(store.keys) if store.find(name) is not None)
    left = [each for each in placed if each[0] > integer(cursor)]
    last = left[SCANNED_AT_ONCE - 1][0] if len(left) > SCANNED_AT_ONCE else 0
    pattern = given.get("MATCH", (b"*",))[0]
    found: list[Reply] = [
        name for place, name in left if (not last or place <= last) and _fits(name, pattern)
    ]
    return [b"%d" % last, found]


def _fits(name: bytes, pattern: bytes) -> bool:
    return fnmatchcase(name.decode("latin-1"), pattern.decode("latin-1"))


def time(store: Store) -> Reply:
    now_ms = store.clock_ms()
    return [b"%d" % (now_ms // 1_000), b"%d" % (now_ms % 1_000 * 1_000)]
