"""The day of daily limits: from midnight to midnight in a configured zone."""

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Day:
    """A calendar day: its number in days since 1970-01-01, and the Unix times in ms of its start and its end."""

    number: int
    from_ms: int
    until_ms: int

    @property
    def ends_at(self) -> datetime.datetime:
        """The midnight that ends it, UTC."""
        return datetime.datetime.fromtimestamp(self.until_ms / 1000, datetime.UTC)


class DayZone:
    """Finds the day that an instant falls on; days of 23 and 25 hours included."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)
        self._last = Day(0, 0, 0)

    def day(self, now_ms: int) -> Day:
        """The day of the Unix time `now_ms`."""
        if not self._last.from_ms <= now_ms < self._last.until_ms:
            date = datetime.datetime.fromtimestamp(now_ms / 1000, self._zone).date()
            self._last = Day(
                number=date.toordinal() - EPOCH_ORDINAL,
                from_ms=self._midnight_ms(date),
                until_ms=self._midnight_ms(date + datetime.timedelta(days=1)),
            )
        return self._last

    def starts_ms(self, number: int) -> int:
        """When the day of this number starts, Unix time in ms."""
        return self._midnight_ms(datetime.date.fromordinal(number + EPOCH_ORDINAL))

    def _midnight_ms(self, date: datetime.date) -> int:
        midnight = datetime.datetime.combine(date, datetime.time(), self._zone)
        return int(midnight.timestamp() * 1000)
