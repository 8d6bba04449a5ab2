"""What the page says of each group: who uses it, who reaches it, whom it reaches, and its rules."""

from collections.abc import Iterator, Mapping

from berthmaster.security_groups.model.documentation import Documentation, Talk
from berthmaster.security_groups.model.evidence import RuleEvidence
from berthmaster.security_groups.report.cells import cell_html, table_html
from berthmaster.security_groups.report.html import Html, fill, joined
from berthmaster.security_groups.report.tables import RULE_COLUMNS, RULE_NUMBERS, Cell, Tables, on, purpose


def articles(documentation: Documentation, tables: Tables) -> Iterator[Html]:
    """One for each group, by name."""
    reached, reaches = tables.talks_of()
    rules = tables.rules_by_group()
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
            _talks("Reached by", reached.get(id_, {})),
            _talks("Reaches", reaches.get(id_, {})),
            _rules(rules.get(id_, []), tables),
        )


def _talks(title: str, talks: Mapping[Cell, list[Talk]]) -> Html:
    if not talks:
        return Html("")
    items = joined(fill("<li>{} <span>{}</span></li>\n", cell_html(party), on(some)) for party, some in talks.items())
    return fill('<h4>{}</h4>\n<ul class="talks">{}</ul>\n', title, items)


def _rules(rules: list[RuleEvidence], tables: Tables) -> Html:
    if not rules:
        return Html('<p class="soft">It has no rules.</p>\n')
    return fill("<h4>Rules</h4>\n{}", table_html(RULE_COLUMNS, tables.rules_of(rules), RULE_NUMBERS))
