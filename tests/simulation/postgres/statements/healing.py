"""What openers and healers ask, and `adopt`: comparing logs, and making Redis from the mirror and the events."""

from croupier import event_log
from croupier_sync import adopting, comparing, dead_letters, healing, rebuild, restore, restoring
from croupier_sync.digests import COLUMNS
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import View
from tests.simulation.postgres.statements.following import stands_at
from tests.simulation.postgres.statements.registry import answers, picked, zipped

_EVENT = COLUMNS[3:]


def _events(view: View, partition: int, after: tuple[int, int] = (-1, -1)) -> list[Row]:
    """The events of a partition after that one, in their order."""
    found = [
        row
        for row in view.rows.rows("events")
        if row["partition"] == partition and (row["epoch"], row["seq"]) > after
    ]
    return sorted(found, key=lambda row: (row["epoch"], row["seq"]))


@answers(*{healing._EVENT, event_log._EVENT})
def event(view: View, partition: int, epoch: int, seq: int) -> list[Row]:
    row = view.rows.get("events", (partition, epoch, seq))
    return [picked(row, *_EVENT)] if row else []


@answers(dead_letters._EVENT)
def whole_event(view: View, partition: int, epoch: int, seq: int) -> list[Row]:
    row = view.rows.get("events", (partition, epoch, seq))
    return [picked(row, *COLUMNS)] if row else []


@answers(restore._OP_ID)
def op_id(view: View, partition: int, epoch: int, seq: int) -> list[Row]:
    row = view.rows.get("events", (partition, epoch, seq))
    return [picked(row, "op_id")] if row else []


@answers(healing._ECONOMY)
def economy_in_force(view: View, partition: int) -> list[Row]:
    under_one = [row for row in _events(view, partition) if row["economy"]]
    return [picked(row, "economy") for row in under_one[-1:]]


@answers(healing._BEGIN)
def begin_heal(
    view: View,
    partition: int,
    epoch: int,
    cause: str,
    from_entry: str | None,
    common_entry: str | None,
    forked: list[str],
    missing: int | None,
    rebuilt: bool,
) -> list[Row]:
    view.rows.insert(
        "heals",
        {
            "partition": partition, "epoch": epoch, "cause": cause, "from_entry": from_entry,
            "common_entry": common_entry, "forked": list(forked), "missing": missing, "rebuilt": rebuilt,
        },
    )  # fmt: skip
    return []


@answers(healing._END)
def end_heal(view: View, partition: int, epoch: int, seconds: float) -> list[Row]:
    row = view.rows.get("heals", (partition, epoch))
    if row is not None:
        view.rows.update("heals", row, {"seconds": seconds})
    return []


@answers(comparing._HELD)
def held(view: View, partition: int, epochs: list[int], seqs: list[int]) -> list[Row]:
    found = [
        view.rows.get("events", (partition, place["epoch"], place["seq"]))
        for place in zipped("epoch seq", epochs, seqs)
    ]
    return [picked(row, "epoch", "seq", "op_id") for row in found if row is not None]


@answers(comparing._MISSING)
def missing(view: View, partition: int, epoch: int, seq: int) -> list[Row]:
    return [{"count": len(_events(view, partition, (epoch, seq)))}]


@answers(restoring._CHANGED)
def changed(view: View, partition: int, epoch: int, seq: int) -> list[Row]:
    return [picked(row, "changes") for row in _events(view, partition, (epoch, seq))]


@answers(restoring._BEFORE)
def last_before(view: View, partition: int, ts_ms: int) -> list[Row]:
    before = [row for row in _events(view, partition) if row["ts_ms"] <= ts_ms]
    return [picked(row, "epoch", "seq") for row in before[-1:]]


@answers(restoring._WITH_KEYS)
def with_keys(view: View, partition: int, epoch: int, seq: int, ts_ms: int) -> list[Row]:
    return [
        picked(row, "epoch", "seq", *_EVENT)
        for row in _events(view, partition, (epoch, seq))
        if row["idempotency_key"] and row["ts_ms"] > ts_ms
    ]


def _mirror(view: View, partition: int) -> list[Row]:
    return [row for row in view.rows.rows("mirror") if row["partition"] == partition]


@answers(restoring._MIRRORED)
def mirrored(view: View, partition: int, keys: list[str]) -> list[Row]:
    wanted = set(keys)
    return [picked(row, "key", "field", "value") for row in _mirror(view, partition) if row["key"] in wanted]


@answers(restoring._INDEXED)
def indexed(view: View, partition: int, *prefixes: str) -> list[Row]:
    return [
        picked(row, "key", "value") for row in _mirror(view, partition) if row["key"].startswith(prefixes)
    ]


@answers(rebuild._MIRROR)
def whole_mirror(view: View, partition: int) -> list[Row]:
    rows = [picked(row, "key", "field", "value") for row in _mirror(view, partition)]
    return sorted(rows, key=lambda row: (row["key"].encode(), row["field"].encode()))


@answers(rebuild._ROWS)
def count_mirror(view: View, partition: int) -> list[Row]:
    return [{"count": len(_mirror(view, partition))}]


@answers(adopting._CLEAR)
def clear_mirror(view: View, partition: int) -> list[Row]:
    for row in _mirror(view, partition):
        view.rows.delete("mirror", row)
    return []


@answers(adopting._ADVANCE)
def adopt_cursor(
    view: View,
    partition: int,
    was_epoch: int | None,
    was_seq: int | None,
    was_op_id: bytes | None,
    epoch: int,
    seq: int,
    op_id: bytes,
    ts_ms: int,
    taken_epoch: int,
) -> list[Row]:
    row = stands_at(view, partition, (was_epoch, was_seq, was_op_id))
    if row is None:
        return []
    taken = max(row["taken_epoch"], epoch, taken_epoch)
    cursor = {"epoch": epoch, "seq": seq, "op_id": op_id, "ts_ms": ts_ms}
    view.rows.update("partitions", row, {**cursor, "taken_epoch": taken})
    return [{"?column?": True}]


@answers(adopting._RECORD)
def record_adoption(view: View, partition: int, last_entry: str, first_entry: str) -> list[Row]:
    row = {"partition": partition, "last_entry": last_entry, "first_entry": first_entry}
    view.rows.insert("adoptions", row)
    return []
