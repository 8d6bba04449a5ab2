"""HTML in which everything is escaped that is not HTML already: names and descriptions are anybody's."""

from collections.abc import Iterable
from html import escape


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


def fill(template: str, *values: object) -> Html:
    """The template with a value for each {}, escaped unless it is HTML."""
    return Html(template.format(*(value if isinstance(value, Html) else escape(str(value)) for value in values)))


def joined(parts: Iterable[object], between: str = "") -> Html:
    """One after the other, escaped unless they are HTML."""
    return Html(between.join(part if isinstance(part, Html) else escape(str(part)) for part in parts))
