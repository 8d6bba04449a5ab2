"""The documentation of groups as Markdown: the tables of the page, and each group with its rules."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from berthmaster.security_groups.model.documentation import Documentation, DocumentedGroup, Talk
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.report.tables import (
    RULE_COLUMNS,
    RULE_NUMBERS,
    Cell,
    GroupLink,
    Table,
    Tables,
    on,
    purpose,
)
from berthmaster.security_groups.report.wording import counted, number, window_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def markdown(documentation: Documentation) -> str:
    """The whole file; the same documentation gives the same."""
    return "\n".join(_lines(documentation)) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _lines(documentation: Documentation) -> Iterator[str]:
    tables = Tables(documentation)
    where = ", ".join(part for part in (documentation.account, documentation.region) if part)
    yield f"# Security groups of {escaped(where)}" if where else "# Security groups"
    yield ""
    for note in (*window_text(documentation), *documentation.notes):
        yield escaped(note)
        yield ""
    rules = documentation.rules
    counts = ", ".join(f"{number(sum(one.verdict is verdict for one in rules))} {verdict.value}" for verdict in Verdict)
    yield f"{counted(len(documentation.groups), 'group')}, {counted(len(rules), 'rule')}: {counts}."
    for table in tables.all():
        yield from _section(table)
    yield from _groups(documentation, tables)


def _section(table: Table) -> Iterator[str]:
    yield from ("", f"## {table.title}", "")
    if not table.rows:
        yield "None."
        return
    yield table.about
    yield ""
    yield from _table(table.columns, table.rows, table.numbers)


def _table(
    columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], numbers: frozenset[int] = frozenset()
) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join('---:' if index in numbers else '---' for index in range(len(columns)))}|"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(cell: Cell) -> str:
    match cell:
        case GroupLink(id_, name):
            return f"[{escaped(name)}](#{quote(id_)})"
        case tuple():
            return ", ".join(map(_cell, cell))
    return escaped(cell)


def _groups(documentation: Documentation, tables: Tables) -> Iterator[str]:
    reached, reaches = tables.talks_of()
    rules = tables.rules_by_group()
    yield from ("", "## All groups")
    for one in sorted(documentation.groups, key=lambda one: (one.group.name, one.group.id)):
        id_ = one.group.id
        yield from _heading(one)
        yield from _talks("Reached by", reached.get(id_, {}))
        yield from _talks("Reaches", reaches.get(id_, {}))
        yield ""
        if id_ in rules:
            yield from _table(RULE_COLUMNS, tables.rules_of(rules[id_]), RULE_NUMBERS)
        else:
            yield "It has no rules."


def _heading(one: DocumentedGroup) -> Iterator[str]:
    about = ", ".join(part for part in (one.group.id, one.group.vpc, one.group.description) if part)
    yield from (
        "",
        f'<a id="{quote(one.group.id)}"></a>',
        "",
        f"### {escaped(one.group.name or one.group.id)}",
        "",
        escaped(about),
        "",
        escaped(purpose(one)),
    )


def _talks(title: str, talks: Mapping[Cell, list[Talk]]) -> Iterator[str]:
    if talks:
        yield from ("", f"{title}:", "", *(f"- {_cell(party)}: {escaped(on(some))}" for party, some in talks.items()))
