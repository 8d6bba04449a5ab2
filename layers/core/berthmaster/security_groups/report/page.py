"""The documentation of groups as one HTML file that needs nothing else: no network, no other file.

Without scripts it is a map whose groups are links, and tables. With them, groups can be searched and filtered, and one
that is clicked is shown beside the map with those it talks to.
"""

import base64
import hashlib
from pathlib import Path

from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.report.articles import articles
from berthmaster.security_groups.report.cells import table_html
from berthmaster.security_groups.report.html import Html, fill, joined
from berthmaster.security_groups.report.map import Map
from berthmaster.security_groups.report.tables import (
    Table,
    Tables,
)
from berthmaster.security_groups.report.wording import (
    CLASSES,
    counted,
    number,
    window_text,
)

_HERE = Path(__file__).parent
MANY_GROUPS = 40
"""From so many groups on, the map shows at first who talks to whom by service, not by group."""

MANY_LINES = 200
"""With more lines between services than that, at first none is drawn but those of what is selected."""


def page(documentation: Documentation) -> str:
    """The whole file; the same documentation gives the same."""
    script = Html((_HERE / "page.js").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    tables = Tables(documentation)
    sections = tables.all()
    drawn = Map(documentation, tables.rules_by_group())
    are_few = len(documentation.groups) < MANY_GROUPS
    return fill(
        (_HERE / "page.html").read_text(encoding="utf-8"),
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        Html((_HERE / "page.css").read_text(encoding="utf-8")),
        _where(documentation),
        _window(documentation),
        _summary(documentation, sections),
        joined(fill('<option value="{}">{}</option>', vpc, vpc) for vpc in sorted(_vpcs(documentation))),
        Html(" selected" if are_few else ""),
        Html(" selected" if not are_few and len(drawn.bundles) > MANY_LINES else ""),
        drawn.draw(),
        joined(fill('<span class="key"><i class="{}"></i>{}</span>', CLASSES[one], one.value) for one in Verdict),
        joined(map(_section, sections), "\n"),
        joined(articles(documentation, tables), "\n"),
        script,
    )


def _where(documentation: Documentation) -> str:
    return ", ".join(part for part in (documentation.account, documentation.region) if part)


def _window(documentation: Documentation) -> Html:
    window, written = window_text(documentation)
    return joined(fill("<p>{}</p>\n", note) for note in (window, *documentation.notes, written))


def _vpcs(documentation: Documentation) -> set[str]:
    return {one.group.vpc for one in documentation.groups}


def _summary(documentation: Documentation, sections: tuple[Table, ...]) -> Html:
    rules = documentation.rules
    counts = {verdict: sum(one.verdict is verdict for one in rules) for verdict in Verdict}
    bar = joined(
        fill('<i class="{}" style="flex-grow:{}" title="{} {}"></i>', CLASSES[one], counts[one], counts[one], one.value)
        for one in Verdict
        if counts[one]
    )
    tiles = joined(
        fill('<div><dt><i class="{}"></i>{}</dt><dd>{}</dd></div>', CLASSES[one], one.value, number(counts[one]))
        for one in Verdict
    )
    contents = joined(
        fill('<li><a href="#{}">{}</a> <b>{}</b></li>\n', one.id, one.title, number(len(one.rows))) for one in sections
    )
    return fill(
        '<p class="figure">{} <span>security groups in {},</span> {} <span>rules</span></p>\n'
        '<div class="verdicts" aria-hidden="true">{}</div>\n<dl class="counts">{}</dl>\n'
        '<nav aria-label="Contents"><ul>\n{}<li><a href="#groups">All groups</a> <b>{}</b></li>\n</ul></nav>\n',
        number(len(documentation.groups)),
        counted(len(_vpcs(documentation)), "VPC"),
        number(len(rules)),
        bar,
        tiles,
        contents,
        number(len(documentation.groups)),
    )


def _section(table: Table) -> Html:
    if not table.rows:
        return fill('<section id="{}">\n<h2>{}</h2>\n<p class="soft">None.</p>\n</section>', table.id, table.title)
    return fill(
        '<section id="{}">\n<h2>{} <span class="soft">{}</span></h2>\n<p class="soft">{}</p>\n'
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">{}</div>\n</section>',
        table.id,
        table.title,
        number(len(table.rows)),
        table.about,
        table.title,
        table_html(table.columns, table.rows, table.numbers),
    )
