"""What the page says of each group: who uses it, who reaches it, whom it reaches, and its rules."""

from collections.abc import Iterable, Iterator, Mapping

from berthmaster.security_groups.model.documentation import Documentation, Talk
from berthmaster.security_groups.model.evidence import RuleEvidence
from berthmaster.security_groups.plan.rule_text import traffic_of
from berthmaster.security_groups.report.cells import cell_html, table_html
from berthmaster.security_groups.report.html import Html, fill, joined
from berthmaster.security_groups.report.tables import Cell, Tables, last_seen, on, purpose, records
from berthmaster.security_groups.report.wording import listed

MOST_PORTS = 8


def articles(
    documentation: Documentation, tables: Tables, by_group: Mapping[str, list[RuleEvidence]]
) -> Iterator[Html]:
    """One for each group, by name."""
    accepted, opened = tables.talks_of()
    for one in sorted(documentation.groups, key=lambda one: (one.group.name, one.group.id)):
        id_ = one.group.id
        yield fill(
            '<article id="{}" aria-labelledby="h-{}">\n<h3 id="h-{}">{}</h3>\n<p class="soft">{}</p>\n<p>{}</p>\n{}{}{}'
            "</article>",
            id_,
            id_,
            id_,
            one.group.name or id_,
            ", ".join(part for part in (id_, one.group.vpc, one.group.description) if part),
            purpose(one),
            _talks("Reached by", ((tables.party(talk.source), talk) for talk in accepted.get(id_, ()))),
            _talks("Reaches", ((tables.party(talk.target), talk) for talk in opened.get(id_, ()))),
            _rules(by_group.get(id_, []), tables),
        )


def _talks(title: str, talks: Iterable[tuple[Cell, Talk]]) -> Html:
    by_party: dict[Cell, list[Talk]] = {}
    for party, talk in talks:
        by_party.setdefault(party, []).append(talk)
    if not by_party:
        return Html("")
    items = joined(
        fill("<li>{} <span>{}</span></li>\n", cell_html(party), listed([on(talk) for talk in some], MOST_PORTS))
        for party, some in by_party.items()
    )
    return fill('<h4>{}</h4>\n<ul class="talks">{}</ul>\n', title, items)


def _rules(rules: list[RuleEvidence], tables: Tables) -> Html:
    if not rules:
        return Html('<p class="soft">It has no rules.</p>\n')
    columns = ("Allows", "Peer", "Verdict", "Last seen", "Records", "Why", "Rule")
    rows: Iterator[tuple[Cell, ...]] = (
        (
            f"{one.rule.direction.value}: {traffic_of(one.rule)}",
            tables.peer(one.rule),
            one.verdict,
            last_seen(one),
            records(one),
            tables.why(one),
            one.rule.id + (f": {one.rule.description}" if one.rule.description else ""),
        )
        for one in rules
    )
    return fill("<h4>Rules</h4>\n{}", table_html(columns, rows, frozenset({4})))
