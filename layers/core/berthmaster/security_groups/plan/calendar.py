"""Dates on which something may happen that happens rarely: which of them a window saw."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

QUARTER = 3
"""Months."""
DECEMBER = 12


def notes_on(since: float, until: float) -> tuple[str, ...]:
    """Which ends of months, quarters and years a window saw, or that it saw none; sentences without a full stop.

    since, until: seconds since the epoch. An end was seen if its last day and the day after it, in UTC, are in the
    window: jobs that belong to it run then.
    """
    months = list(_month_ends(since, until))
    quarters = [one for one in months if one.month % QUARTER == 0]
    return (
        _note("month", [f"{one:%B %Y}" for one in months]),
        _note("quarter", [f"Q{one.month // QUARTER} {one.year}" for one in quarters]),
        _note("year", [f"{one.year}" for one in months if one.month == DECEMBER]),
        f"of yearly dates, the window saw those from {_day(since):%d %B %Y} to {_day(until):%d %B %Y} only",
    )


def _note(kind: str, seen: Sequence[str]) -> str:
    if seen:
        return f"the window saw the end of {', '.join(seen)}"
    return f"the window saw the end of no {kind}: what happens once a {kind} may not be in it"


def _month_ends(since: float, until: float) -> Iterator[date]:
    first, last = _day(since), _day(until)
    month = first.replace(day=1)
    while month <= last:
        following = (month + timedelta(days=31)).replace(day=1)
        end = following - timedelta(days=1)
        if first <= end and following <= last:
            yield end
        month = following


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
