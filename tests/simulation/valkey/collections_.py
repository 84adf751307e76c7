"""Commands of hashes and sorted sets."""

from tests.simulation.valkey.store import CommandError, Reply, SortedSet, Store, integer


def hset(store: Store, key: bytes, *pairs: bytes) -> Reply:
    if not pairs or len(pairs) % 2:
        raise CommandError("ERR wrong number of arguments for 'hset' command")
    fields = store.make(key, dict)
    before = len(fields)
    fields.update(zip(pairs[::2], pairs[1::2], strict=True))
    store.effects.append((b"HSET", key, *pairs))
    return len(fields) - before


def hget(store: Store, key: bytes, field: bytes) -> Reply:
    return (store.of_kind(key, dict) or {}).get(field)


def hmget(store: Store, key: bytes, *fields: bytes) -> Reply:
    held = store.of_kind(key, dict) or {}
    return [held.get(field) for field in fields]


def hgetall(store: Store, key: bytes) -> Reply:
    return [part for pair in (store.of_kind(key, dict) or {}).items() for part in pair]


def hexists(store: Store, key: bytes, field: bytes) -> Reply:
    return int(field in (store.of_kind(key, dict) or {}))


def hdel(store: Store, key: bytes, *fields: bytes) -> Reply:
    held = store.of_kind(key, dict) or {}
    gone = [field for field in fields if held.pop(field, None) is not None]
    if gone:
        store.effects.append((b"HDEL", key, *gone))
        if not held:
            store.drop(key)
    return len(gone)


def zadd(store: Store, key: bytes, *words: bytes) -> Reply:
    only_there = words[0].upper() == b"XX"
    if only_there:
        words = words[1:]
    if only_there and store.of_kind(key, SortedSet) is None:
        return 0
    held = store.make(key, SortedSet)
    added = 0
    for score, member in zip(words[::2], words[1::2], strict=True):
        if only_there and member not in held:
            continue
        added += member not in held
        held[member] = float(score)
        store.effects.append((b"ZADD", key, score, member))
    return added


def zrem(store: Store, key: bytes, *members: bytes) -> Reply:
    held = store.of_kind(key, SortedSet)
    if held is None:
        return 0
    gone = [member for member in members if held.pop(member, None) is not None]
    if gone:
        store.effects.append((b"ZREM", key, *gone))
        if not held:
            store.drop(key)
    return len(gone)


def zrange(store: Store, key: bytes, first: bytes, last: bytes, *words: bytes) -> Reply:
    placed = _placed(store, key)
    end = integer(last)
    chosen = placed[integer(first) : end + 1 if end >= 0 else len(placed) + end + 1]
    return _answer(chosen, scores=b"WITHSCORES" in words)


def zrangebyscore(store: Store, key: bytes, least: bytes, most: bytes, *words: bytes) -> Reply:
    chosen = [each for each in _placed(store, key) if float(least) <= each[0] <= float(most)]
    if b"LIMIT" in words:
        at = words.index(b"LIMIT")
        start, count = integer(words[at + 1]), integer(words[at + 2])
        chosen = chosen[start : start + count]
    return _answer(chosen, scores=b"WITHSCORES" in words)


def _placed(store: Store, key: bytes) -> list[tuple[float, bytes]]:
    return sorted((score, member) for member, score in (store.of_kind(key, SortedSet) or {}).items())


def _answer(chosen: list[tuple[float, bytes]], *, scores: bool) -> Reply:
    if not scores:
        return [member for _, member in chosen]
    return [part for score, member in chosen for part in (member, f"{score:.17g}".encode())]
