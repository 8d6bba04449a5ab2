"""One automation's part of the report: its title, its numbers, its figure and its sections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from simulator.demo import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.demo.way import Way

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Number:
    """The result of a run in one figure."""

    way: Way
    figure: str
    note: str


@dataclass(frozen=True, slots=True)
class Act:
    """A comparison as the page shows it.

    `name`: the automation. `sections`: the headings of the body by the ids that it gives them.
    """

    name: str
    title: str
    numbers: tuple[Number, ...]
    figure: Markup
    sections: Mapping[str, str]
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
        "day": wording.day,
        "long_date": wording.long_date,
        "duration": wording.duration,
        "dollars": wording.dollars,
        "count": wording.count,
        "sentence": wording.sentence,
    }
    return environment
