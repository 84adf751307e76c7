"""What the engine asks: whether an event is durable, what became of an attempt, and how far Postgres is."""

from croupier import durability, event_log, ops, partition_state, room
from croupier.fairness import queries as fairness
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import View
from tests.simulation.postgres.statements.registry import answers, picked, zipped


@answers(durability._ASK)
def ask(view: View, partitions: list[int], epochs: list[int], seqs: list[int]) -> list[Row]:
    answer: list[Row] = []
    for place in zipped("partition epoch seq", partitions, epochs, seqs):
        event = view.rows.get("events", tuple(place.values()))
        partition = view.rows.get("partitions", (place["partition"],))
        answer.append(
            {
                "op_id": event["op_id"] if event else None,
                "sealed": partition["epoch"] > place["epoch"]
                if partition and partition["epoch"] is not None
                else None,
            }
        )
    return answer


@answers(durability._FIRST)
def first_once(view: View, uid: int, key: str) -> list[Row]:
    found = [
        row
        for row in view.rows.rows("events")
        if row["uid"] == uid and row["idempotency_key"] == key and row["type"] in durability.ONCE_TYPES
    ]
    first = min(found, key=lambda row: (row["epoch"], row["seq"]), default=None)
    return [{name: value for name, value in first.items() if name != "digest"}] if first else []


@answers(ops._CURSOR)
def cursor(view: View, partition: int) -> list[Row]:
    row = view.rows.get("partitions", (partition,))
    return [picked(row, "epoch", "seq", "op_id")] if row and row["epoch"] is not None else []


@answers(ops._EVENT)
def event_of_op(view: View, partition: int, op_id: bytes) -> list[Row]:
    row = view.rows.get("partitions", (partition,))
    if row is None:
        return []
    found = [
        each for each in view.rows.rows("events") if each["partition"] == partition and each["op_id"] == op_id
    ]
    last = max(found, key=lambda each: (each["epoch"], each["seq"]), default=None)
    columns = ("epoch", "seq", "type", "uid")
    event = picked(last, *columns) if last else dict.fromkeys(columns)
    head = {**picked(row, "taken_epoch", "taken_identity"), "log_epoch": row["epoch"], "log_ms": row["ts_ms"]}
    return [{**head, **event, "gap_ms": _gap_ms(view, partition)}]


def _gap_ms(view: View, partition: int) -> int | None:
    """When the last gap ends that an adoption has left."""
    entries = [row["first_entry"] for row in view.rows.rows("adoptions") if row["partition"] == partition]
    ends = [view.rows.get("events", (partition, *map(int, entry.split("-")))) for entry in entries]
    return max((row["ts_ms"] for row in ends if row is not None), default=None)


@answers(event_log._MIRRORED)
def mirrored_record(view: View, partition: int, key: str) -> list[Row]:
    row = view.rows.get("mirror", (partition, key, ""))
    return [picked(row, "value")] if row else []


@answers(room._CURSORS)
def cursors(view: View) -> list[Row]:
    rows = view.rows.rows("partitions")
    return [picked(row, "partition", "epoch", "seq") for row in rows if row["epoch"] is not None]


@answers(partition_state._READ)
def partition_states(view: View) -> list[Row]:
    now = view.clock()
    return [
        {
            **picked(row, "partition", "state", "reason", "detail", "since"),
            "silent_s": None if row["seen_at"] is None else (now - row["seen_at"]).total_seconds(),
        }
        for row in sorted(view.rows.rows("partitions"), key=lambda row: int(row["partition"]))
    ]


@answers(partition_state._HEALS)
def count_heals(view: View) -> list[Row]:
    causes = [row["cause"] for row in view.rows.rows("heals") if row["seconds"] is not None]
    return [{"cause": cause, "heals": causes.count(cause)} for cause in dict.fromkeys(causes)]


@answers(fairness._ECONOMY)
def economy_of_version(view: View, version: str) -> list[Row]:
    row = view.rows.get("economy_versions", (version,))
    return [picked(row, "canonical")] if row else []


@answers(fairness._INSTALLATION)
def installation_id(view: View) -> list[Row]:
    return [picked(row, "id") for row in view.rows.rows("installation")]
