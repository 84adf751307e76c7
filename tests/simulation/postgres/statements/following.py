"""What the daemon asks while it follows a partition: the cursor, the log, the mirror, its state."""

from croupier_sync import batch, installation, mirror, outbox, position, status
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import View
from tests.simulation.postgres.statements.registry import answers, picked, upsert, zipped

_Cursor = tuple[int | None, int | None, bytes | None]


@answers(installation._READ)
def read_installation(view: View) -> list[Row]:
    return [picked(row, "id", "partitions") for row in view.rows.rows("installation")]


@answers(position._READ)
def read_position(view: View, partition: int) -> list[Row]:
    row = view.rows.get("partitions", (partition,))
    if row is None:
        return []
    return [picked(row, "epoch", "seq", "op_id", "ts_ms", "taken_epoch", "taken_identity")]


def stands_at(view: View, partition: int, cursor: _Cursor) -> Row | None:
    """The partition's row where its cursor is this one."""
    row = view.rows.get("partitions", (partition,))
    if row is None or (row["epoch"], row["seq"], row["op_id"]) != cursor:
        return None
    return row


@answers(position._ADVANCE)
def advance(
    view: View,
    partition: int,
    was_epoch: int | None,
    was_seq: int | None,
    was_op_id: bytes | None,
    epoch: int,
    seq: int,
    op_id: bytes,
    ts_ms: int,
) -> list[Row]:
    row = stands_at(view, partition, (was_epoch, was_seq, was_op_id))
    if row is None or row["taken_epoch"] > epoch:
        return []
    view.rows.update(
        "partitions", row, {"epoch": epoch, "seq": seq, "op_id": op_id, "ts_ms": ts_ms, "taken_epoch": epoch}
    )
    return [{"?column?": True}]


@answers(position._TAKE_EPOCH)
def take_epoch(
    view: View,
    partition: int,
    was_epoch: int | None,
    was_seq: int | None,
    was_op_id: bytes | None,
    taken_epoch: int,
    identity: str,
    above: int,
) -> list[Row]:
    row = stands_at(view, partition, (was_epoch, was_seq, was_op_id))
    if row is None or row["taken_epoch"] != taken_epoch:
        return []
    epoch = max(taken_epoch, above) + 1
    view.rows.update("partitions", row, {"taken_epoch": epoch, "taken_identity": identity})
    return [{"taken_epoch": epoch}]


@answers(batch._DIGEST)
def digest(view: View, partition: int, epoch: int, seq: int) -> list[Row]:
    row = view.rows.get("events", (partition, epoch, seq))
    return [picked(row, "digest")] if row else []


@answers(mirror._DELETE)
def delete_mirrored(view: View, partition: int, keys: list[str]) -> list[Row]:
    gone = set(keys)
    for row in view.rows.rows("mirror"):
        if row["partition"] == partition and row["key"] in gone:
            view.rows.delete("mirror", row)
    return []


@answers(mirror._UPSERT)
def upsert_mirrored(
    view: View,
    partition: int,
    epoch: int,
    keys: list[str],
    fields: list[str],
    values: list[bytes],
    seqs: list[int],
) -> list[Row]:
    images = zipped("key field value seq", keys, fields, values, seqs)
    rows = [{"partition": partition, "epoch": epoch, **image} for image in images]
    return upsert(view, "mirror", rows, lambda _held, new: picked(new, "value", "epoch", "seq"))


@answers(outbox._KEPT_FROM)
def kept_from(view: View, partition: int, offset: int) -> list[Row]:
    places = sorted(
        (row["epoch"], row["seq"]) for row in view.rows.rows("events") if row["partition"] == partition
    )
    if offset >= len(places):
        return []
    epoch, seq = places[-1 - offset]
    return [{"epoch": epoch, "seq": seq}]


@answers(status._RECORD)
def record_status(view: View, partition: int, state: str, reason: str, detail: str) -> list[Row]:
    row = view.rows.get("partitions", (partition,))
    if row is not None:
        same = (row["state"], row["reason"]) == (state, reason)
        said = {"state": state, "reason": reason, "detail": detail, "seen_at": view.now}
        view.rows.update("partitions", row, {**said, "since": row["since"] if same else view.now})
    return []
