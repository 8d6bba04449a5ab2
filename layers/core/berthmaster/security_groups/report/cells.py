"""Cells and tables as HTML."""

from collections.abc import Iterable

from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.report.html import Html, fill, joined
from berthmaster.security_groups.report.tables import Cell, GroupLink
from berthmaster.security_groups.report.wording import CLASSES


def table_html(
    columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], numbers: frozenset[int] = frozenset()
) -> Html:
    """A table of the page. numbers: which columns hold numbers."""
    head = joined(fill("<th{}>{}</th>", _align(index, numbers), one) for index, one in enumerate(columns))
    body = joined(
        fill(
            "<tr>{}</tr>\n",
            joined(fill("<td{}>{}</td>", _align(index, numbers), cell_html(one)) for index, one in enumerate(row)),
        )
        for row in rows
    )
    return fill("<table><thead><tr>{}</tr></thead>\n<tbody>{}</tbody></table>", head, body)


def _align(index: int, numbers: frozenset[int]) -> Html:
    return Html(' class="n"' if index in numbers else "")


def cell_html(cell: Cell) -> Html:
    """A cell of the page."""
    match cell:
        case Verdict():
            return fill('<b class="{}">{}</b>', CLASSES[cell], cell.value)
        case GroupLink(id_, name):
            return fill('<a href="#{}">{}</a>', id_, name)
        case tuple():
            return joined(map(cell_html, cell), ", ")
    return fill("{}", cell)
