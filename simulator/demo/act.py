"""One act of the report: its title, its two numbers and its part of the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from simulator.demo import wording

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Number:
    """What a run came to, in one figure."""

    run: str
    figure: str
    note: str


@dataclass(frozen=True, slots=True)
class Act:
    """A comparison as the page shows it; `name` also is the automation's."""

    name: str
    title: str
    without: Number
    with_it: Number
    body: Markup


def templates() -> Environment:
    """The page's templates, with the filters that write times and sums."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": wording.moment,
        "clock": wording.clock,
        "long_date": wording.long_date,
        "duration": wording.duration,
        "dollars": wording.dollars,
        "count": wording.count,
    }
    return environment
