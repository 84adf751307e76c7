"""Ids and digests of a log: no event is missing, and none was changed since it was written."""

from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from croupier_schemas.events import EventId
from croupier_sync.digests import COLUMNS, EventRow, digest_of
from croupier_sync.verification.findings import Findings

# Looking for the changed byte costs 255 digests per byte of the event.
_SEARCHED_BYTES_MAX: Final = 2_048
_SEARCHES_MAX: Final = 10

_encode = msgspec.msgpack.Encoder().encode


class Changed(NamedTuple):
    """The one byte whose change explains a digest: its column, where in the column's msgpack form, and its values."""

    column: str
    offset: int
    was: int
    now: int

    def __str__(self) -> str:
        return (
            f"column {self.column}: byte {self.offset} of its msgpack form was {self.was:#04x} "
            f"and is {self.now:#04x}"
        )


class _Doubt(NamedTuple):
    """An event whose digest does not fit: either the digest was changed, or another column."""

    event: EventId
    row: EventRow
    before: bytes
    computed: bytes
    stored: bytes


class Chain:
    """Is shown the events of a partition in their order."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._last: EventId | None = None
        self._before = b""
        self._begun = False
        self._doubt: _Doubt | None = None
        self._searches = 0

    @property
    def last(self) -> EventId | None:
        """The event that was shown last."""
        return self._last

    def pass_over(self, event: EventId) -> None:
        """The next event is that one, and those before it are known to be missing: the digests begin anew with it."""
        self.end()
        self._last, self._before, self._begun = replace(event, seq=event.seq - 1), b"", False

    def show(self, row: EventRow, stored: bytes | None) -> None:
        """The next event: what `COLUMNS` hold, and its digest."""
        event = EventId(*row[:3])
        follows = self._follows(event, row)
        self._last = event
        if not follows:
            self.end()
            self._before, self._begun = stored or b"", stored is not None
            return
        computed = digest_of(self._before, row)
        if stored is None:
            if self._begun:
                self._findings.add("digests", "it has no digest, and the event before it has one", event)
                self._before = computed
            return
        self._begun = True
        if computed == stored:
            self.end()
        elif self._doubt is not None and digest_of(self._doubt.computed, row) == stored:
            self._findings.add("digests", "column digest was changed", self._doubt.event)
            self._doubt = None
        else:
            self.end()
            self._doubt = _Doubt(event, row, self._before, computed, stored)
        self._before = stored

    def end(self) -> None:
        """No event follows that could tell more about the last one."""
        doubt, self._doubt = self._doubt, None
        if doubt is None:
            return
        changed = self._search(doubt)
        self._findings.add(
            "digests",
            f"it was changed since it was written: {changed}"
            if changed
            else "it does not fit its digest: more than a byte of it was changed, or events before it are missing",
            doubt.event,
        )

    def _follows(self, event: EventId, row: EventRow) -> bool:
        """Whether the event is the next one; the ids themselves are judged on the way."""
        last, kind = self._last, row[COLUMNS.index("type")]
        if event.seq == 0:
            if kind != "epoch.opened":
                self._findings.add("ids", f"an epoch begins with epoch.opened, not with {kind}", event)
            return True
        if last is not None and last.epoch == event.epoch and last.seq + 1 == event.seq:
            return True
        first = last.seq + 1 if last is not None and last.epoch == event.epoch else 0
        missing = EventId(event.partition, event.epoch, first)
        names = (
            f"event {missing} is"
            if first == event.seq - 1
            else f"{event.seq - first} events from {missing} on are"
        )
        self._findings.add("ids", f"{names} missing before it", event)
        return False

    def _search(self, doubt: _Doubt) -> Changed | None:
        self._searches += 1
        return (
            changed_byte(doubt.before, doubt.row, doubt.stored) if self._searches <= _SEARCHES_MAX else None
        )


def changed_byte(before: bytes, row: EventRow, digest: bytes) -> Changed | None:
    """The byte that makes the row fit its digest when it is set back; None where none does, and for a long row."""
    form = bytearray(before + _encode(row))
    if len(form) > _SEARCHED_BYTES_MAX:
        return None
    # The array's header, then the columns.
    ends, end = [], len(form) - sum(len(_encode(value)) for value in row)
    for value in row:
        end += len(_encode(value))
        ends.append(end)
    for at in range(len(before), len(form)):
        now = form[at]
        for was in range(256):
            form[at] = was
            if was != now and sha256(form).digest()[: len(digest)] == digest:
                index = next((index for index, end in enumerate(ends) if at < end), 0)
                return Changed(COLUMNS[index], at - (ends[index] - len(_encode(row[index]))), was, now)
        form[at] = now
    return None
