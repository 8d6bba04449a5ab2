"""Freeze windows: when no rule is changed, unless it is restored.

Fri 16:00-Mon 07:00        every week, in UTC
2026-12-20/2027-01-03      from the first to the last day, in UTC
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = "|".join(_DAYS)
_WEEKLY = re.compile(rf"({_DAY}) (\d\d):(\d\d) ?- ?({_DAY}) (\d\d):(\d\d)", re.IGNORECASE | re.ASCII)
_DATES = re.compile(r"(\d{4}-\d\d-\d\d) ?/ ?(\d{4}-\d\d-\d\d)", re.ASCII)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Weekly:
    """A window that comes every week. begin, end: since Monday 00:00 UTC; the week may end between them."""

    text: str
    begin: timedelta
    end: timedelta

    def holds(self, now: datetime) -> bool:
        """Whether a moment is in it; its end is not."""
        monday = datetime.combine(now.date() - timedelta(days=now.weekday()), time(), UTC)
        return (now - monday - self.begin) % _WEEK < (self.end - self.begin) % _WEEK


@dataclass(frozen=True, slots=True)
class Dates:
    """A window that comes once. first, last: its days, both included."""

    text: str
    first: date
    last: date

    def holds(self, now: datetime) -> bool:
        """Whether a moment is in it."""
        return self.first <= now.date() <= self.last


@dataclass(frozen=True, slots=True)
class NoWindow:
    """What was meant for windows and is none: it always holds. text: what is wrong with it."""

    text: str

    def holds(self, _now: datetime) -> bool:
        """At every moment."""
        return True


type FreezeWindow = Weekly | Dates | NoWindow


def parse_freeze(text: str) -> tuple[FreezeWindow, ...]:
    """The windows of a text, separated by commas; ValueError names the one that is none."""
    return tuple(_window(one.strip()) for one in text.split(",") if one.strip())


def why_frozen(windows: tuple[FreezeWindow, ...], now: datetime) -> str:
    """Why nothing is changed at a moment in UTC, empty if it may be."""
    return next((f"changes are frozen: {one.text}" for one in windows if one.holds(now)), "")


def _window(text: str) -> FreezeWindow:
    if found := _WEEKLY.fullmatch(text):
        begin, end = _in_week(text, *found.groups()[:3]), _in_week(text, *found.groups()[3:])
        if begin == end:
            raise ValueError(f"{text!r} has no length")
        return Weekly(text, begin, end)
    if found := _DATES.fullmatch(text):
        first, last = _date(text, found[1]), _date(text, found[2])
        if last < first:
            raise ValueError(f"{text!r} ends before it begins")
        return Dates(text, first, last)
    raise ValueError(f"{text!r} is neither such as 'Fri 16:00-Mon 07:00' nor such as '2026-12-20/2027-01-03'")


def _in_week(text: str, day: str, hours: str, minutes: str) -> timedelta:
    try:
        since_midnight = time(int(hours), int(minutes))
    except ValueError:
        raise ValueError(f"{text!r} has no time of day: {hours}:{minutes}") from None
    return timedelta(days=_DAYS.index(day.title()), hours=since_midnight.hour, minutes=since_midnight.minute)


def _date(text: str, day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"{text!r} has no date: {day}") from None
