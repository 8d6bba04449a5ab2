"""The same documentation as Markdown and as JSON."""

from __future__ import annotations

import json
import re

from berthmaster.security_groups.report.document_json import dump
from berthmaster.security_groups.report.evidence_json import evidence
from berthmaster.security_groups.report.markdown import markdown
from tests.support.security_groups.example import example, hostile

HOSTILE = "a | b\n# c <script> [d](javascript:e) `f` ![g](h) *i*"
CELLS = re.compile(r"(?<!\\)\|")


def test_every_row_of_a_table_has_its_columns_and_every_link_a_target() -> None:
    for text in (markdown(example(60)), markdown(hostile(HOSTILE))):
        columns = 0
        for line in text.splitlines():
            if not line.startswith("|"):
                columns = 0
                continue
            columns = columns or len(CELLS.findall(line))
            assert len(CELLS.findall(line)) == columns
        assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= set(re.findall(r'<a id="([^"]*)"></a>', text))


def test_names_are_text_in_markdown() -> None:
    text = markdown(hostile(HOSTILE))
    assert not re.search(r"(?<!\\)<(?!a id=|/a>)|(?<!\\)`|(?<!\\)!|\n# c", text)
    assert "javascript" in text
    assert "](javascript" not in text.replace("\\]", "")


def test_markdown_and_json_hold_every_group_and_rule() -> None:
    documentation = example(60)
    text, parsed = markdown(documentation), json.loads(dump(documentation))
    assert {one.group.id for one in documentation.groups} == set(parsed["groups"])
    assert all(one.group.id in text for one in documentation.groups)
    assert {one.rule.id for one in documentation.rules} == set(parsed["rules"])
    assert all(one.rule.id in text for one in documentation.rules)
    for id_, told in evidence(documentation)["rules"].items():
        assert parsed["rules"][id_].items() >= told.items()
    assert len(parsed["talks"]) == len(documentation.talks)
