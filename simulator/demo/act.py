"""One act of the report: its title, its two numbers, its figure and its part of the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from simulator.demo import wording

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
    figure: Markup
    body: Markup


def filled(template: str, **values: object) -> Markup:
    """A template, filled in."""
    # Autoescape has made it safe.
    return Markup(templates().get_template(template).render(values))  # noqa: S704


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
