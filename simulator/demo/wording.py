"""Times, durations and sums as both the terminal and the page write them."""

from __future__ import annotations

from datetime import UTC, datetime

type Row = tuple[str, ...]
"""What is compared, and what each run says of it."""

NONE = "\N{EN DASH}"
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
CENT = 0.01


def moment(at: float) -> str:
    """A time in UTC: "Tue 10 Mar 12:16"."""
    return f"{day(at)} {_utc(at):%H:%M}"


def day(at: float) -> str:
    """A date: "Tue 10 Mar"."""
    return f"{weekday(at)} {_utc(at):%b}"


def weekday(at: float) -> str:
    """A date without its month: "Tue 10"."""
    return f"{_utc(at):%a} {_utc(at).day}"


def long_date(at: float) -> str:
    """A date in full: "Monday 2 March 2026"."""
    return f"{_utc(at):%A} {_utc(at).day} {_utc(at):%B %Y}"


def clock(at: float) -> str:
    """A time of day in UTC: "08:20"."""
    return f"{_utc(at):%H:%M}"


def duration(seconds: float) -> str:
    """Two units at most: "4 d 20 h", "18 min"."""
    if seconds >= DAY:
        return f"{int(seconds // DAY)} d {int(seconds % DAY // HOUR)} h"
    if seconds >= HOUR:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"
    return f"{round(seconds / MINUTE)} min"


def dollars(amount: float) -> str:
    """To the cent."""
    return f"${amount:,.2f}" if amount >= CENT or not amount else "< $0.01"


def count(number: float) -> str:
    """A whole number with separators."""
    return f"{number:,.0f}"


def sentence(text: str) -> str:
    """With the capital letter of a beginning."""
    return text[:1].upper() + text[1:]


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
