"""Commands of streams."""

from collections.abc import Sequence

from tests.simulation.valkey.store import CommandError, Reply, Store, Stream, StreamId, integer

_MAX = 2**64 - 1
_NOT_AN_ID = "ERR Invalid stream ID specified as stream command argument"
_TOO_SMALL = "ERR The ID specified in XADD is equal or smaller than the target stream top item"


def xadd(store: Store, key: bytes, *words: bytes) -> Reply:
    create = words[0].upper() != b"NOMKSTREAM"
    if not create:
        words = words[1:]
    wanted, fields = words[0], list(words[1:])
    if not fields or len(fields) % 2:
        raise CommandError("ERR wrong number of arguments for 'xadd' command")
    if wanted == b"0-0":
        raise CommandError("ERR The ID specified in XADD must be greater than 0-0")
    stream = store.of_kind(key, Stream)
    if stream is None and not create:
        return None
    entry = _next_id(wanted, stream.last_id if stream else (0, 0))
    stream = stream or store.make(key, Stream)
    stream.ids.append(entry)
    stream.fields.append(fields)
    stream.last_id = entry
    stream.added += 1
    text = _text(entry)
    store.effects.append((b"XADD", key, text, *fields))
    return text


def _next_id(wanted: bytes, last: StreamId) -> StreamId:
    if wanted.endswith(b"-*"):
        first = _number(wanted[:-2])
        if first < last[0]:
            raise CommandError(_TOO_SMALL)
        return first, last[1] + 1 if first == last[0] else 0
    entry = _id(wanted, 0)
    if entry <= last:
        raise CommandError(_TOO_SMALL)
    return entry


def xrange(store: Store, key: bytes, first: bytes, last: bytes, *words: bytes) -> Reply:
    return _range(store, key, first, last, words, backwards=False)


def xrevrange(store: Store, key: bytes, last: bytes, first: bytes, *words: bytes) -> Reply:
    return _range(store, key, first, last, words, backwards=True)


def xlen(store: Store, key: bytes) -> Reply:
    stream = store.of_kind(key, Stream)
    return len(stream.ids) if stream else 0


def xtrim(store: Store, key: bytes, strategy: bytes, least: bytes) -> Reply:
    stream = store.of_kind(key, Stream)
    if strategy.upper() != b"MINID":
        raise CommandError("ERR syntax error")
    if stream is None:
        return 0
    gone = stream.between(_id(least, 0), (_MAX, _MAX)).start
    if gone:
        del stream.ids[:gone], stream.fields[:gone]
        store.effects.append((b"XTRIM", key, b"MINID", least))
    return gone


def xinfo(store: Store, what: bytes, key: bytes) -> Reply:
    stream = store.of_kind(key, Stream)
    if stream is None:
        raise CommandError("ERR no such key")
    return [
        b"length",
        len(stream.ids),
        b"last-generated-id",
        _text(stream.last_id),
        b"entries-added",
        stream.added,
    ]


def read_after(store: Store, key: bytes, after: bytes, count: int) -> list[Reply]:
    """What `XREAD` finds in one stream behind an id."""
    stream = store.of_kind(key, Stream)
    if stream is None:
        return []
    places = stream.between(_after(_id(after, 0)), (_MAX, _MAX))[:count]
    return [_entry(stream, place) for place in places]


def _range(
    store: Store, key: bytes, first: bytes, last: bytes, words: Sequence[bytes], *, backwards: bool
) -> Reply:
    low, high = _first(first), _last(last)
    count = integer(words[1]) if words else None
    stream = store.of_kind(key, Stream)
    if stream is None:
        return []
    places: Sequence[int] = stream.between(low, high)
    if backwards:
        places = places[::-1]
    return [_entry(stream, place) for place in places[:count]]


def _first(text: bytes) -> StreamId:
    if text == b"-":
        return 0, 0
    return _after(_id(text[1:], 0)) if text[:1] == b"(" else _id(text, 0)


def _last(text: bytes) -> StreamId:
    if text == b"+":
        return _MAX, _MAX
    return _before(_id(text[1:], _MAX)) if text[:1] == b"(" else _id(text, _MAX)


def _entry(stream: Stream, place: int) -> Reply:
    return [_text(stream.ids[place]), list(stream.fields[place])]


def _id(text: bytes, missing: int) -> StreamId:
    first, dash, second = text.partition(b"-")
    return _number(first), _number(second) if dash else missing


def _number(text: bytes) -> int:
    if not text.isdigit():
        raise CommandError(_NOT_AN_ID)
    return int(text)


def _text(entry: StreamId) -> bytes:
    return b"%d-%d" % entry


def _after(entry: StreamId) -> StreamId:
    return (entry[0], entry[1] + 1) if entry[1] < _MAX else (entry[0] + 1, 0)


def _before(entry: StreamId) -> StreamId:
    if entry == (0, 0):
        raise CommandError("ERR invalid end ID for the interval")
    return (entry[0], entry[1] - 1) if entry[1] else (entry[0] - 1, _MAX)
