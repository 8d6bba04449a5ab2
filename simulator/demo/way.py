"""How a scene is run: without Berthmaster, with it, and otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a scene.

    `name` and `short`: in tables. `title`: above what happened. `style`: the class of its colour in page.css.
    """

    name: str
    short: str
    title: str
    style: str
