"""The page needs nothing but itself, shows every group and rule, and takes names for what they are: text."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from berthmaster.security_groups.model.documentation import Party, PartyKind, Tier
from berthmaster.security_groups.model.removals import RemovalState
from berthmaster.security_groups.report.map import Map
from berthmaster.security_groups.report.page import page
from tests.support.security_groups.example import example, hostile

VOID = frozenset({"meta", "input"})
HOSTILE = "\"'><img src=x onerror=alert(1)></script><script>alert(2)</script>{}{0}</title>"


@dataclass
class Page:
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    scripts: list[str] = field(default_factory=list)
    policy: str = ""
    text: str = ""


class Reader(HTMLParser):
    """Follows the tags, all of which must be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.page.tags.add(tag)
        self.page.attributes.update(named)
        self.page.ids += [named["id"]] if "id" in named else []
        self.page.links += [named["href"]] if "href" in named else []
        self.page.nodes += [named["data-node"]] if "data-node" in named else []
        if named.get("http-equiv") == "Content-Security-Policy":
            self.page.policy = named["content"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.page.scripts.append(data)
        else:
            self.page.text += data


def read(text: str) -> Page:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    found = reader.page
    assert len(found.ids) == len(set(found.ids))
    assert set(found.links) <= {f"#{one}" for one in found.ids}
    return found


@pytest.mark.parametrize("size", [0, 1, 10, 60, 300])
def test_the_page_shows_every_group_and_rule_and_needs_no_other_file(size: int) -> None:
    documentation = example(size)
    text = page(documentation)
    found = read(text)
    assert len(text.encode()) < 1_500_000
    assert not re.findall(r"https?://|\bsrc=|url\((?!#)|@import", text)
    assert {one.group.id for one in documentation.groups} <= set(found.ids) & set(found.nodes)
    assert all(one.rule.id in found.text for one in documentation.rules)
    assert text == page(documentation)


def test_rules_in_removal_are_marked_on_the_map_and_in_the_tables() -> None:
    documentation = example(60)
    text, open_ = page(documentation), [one for one in documentation.removals if one.state.is_open]
    marked = set(re.findall(r'data-node="(sg-[^"]+)" data-vpc="[^"]*" data-has="[^"]*in-removal', text))
    assert marked == {one.rule.group for one in open_}
    assert len(marked) < len(documentation.groups)
    for state in RemovalState:
        is_shown = f"removal: {state.value} since" in text
        assert is_shown is state.is_open
    assert "instead of sg-" in read(text).text


def test_only_its_own_script_may_run() -> None:
    found = read(page(example(10)))
    (script,) = found.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert found.policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_names_and_descriptions_are_text_whatever_they_hold() -> None:
    harmless = read(page(example(1)))
    found = read(page(hostile(HOSTILE)))
    assert found.tags <= harmless.tags | {"ul", "li", "h4"}
    assert found.attributes <= harmless.attributes
    assert len(found.scripts) == 1
    assert found.text.count("onerror=alert(1)") > 8


def test_no_row_of_the_map_overlaps_another() -> None:
    drawing = re.search(r'<svg id="map".*?</svg>', page(example(60)), re.DOTALL)
    assert drawing is not None
    svg = ET.fromstring(drawing[0])  # noqa: S314 - it was just written
    places = [
        tuple(map(int, re.findall(r"-?\d+", one.attrib["transform"])))
        for one in svg.iter()
        if one.attrib.get("class") == "node"
    ]
    width, height = (int(svg[1].find(".//a/rect").attrib[side]) for side in ("width", "height"))  # type: ignore[union-attr]
    assert len(places) > 60
    for index, (x, y) in enumerate(places):
        for other_x, other_y in places[:index]:
            assert abs(x - other_x) >= width or abs(y - other_y) >= height


def test_a_group_that_conversations_name_and_nobody_describes_is_shown_outside() -> None:
    documentation = example(10)
    gone = Party(PartyKind.GROUP, ("sg-0deadbeef0deadbee",))
    talks = (*documentation.talks, replace(documentation.talks[0], source=gone))
    assert "sg-0deadbeef0deadbee" in read(page(replace(documentation, talks=talks))).nodes


def test_the_map_shows_those_outside_that_talk_most_and_one_row_for_the_rest() -> None:
    documentation = example(10)
    (talk, *_) = documentation.talks
    outside = [
        replace(talk, source=Party(PartyKind.NETWORK, (f"10.{number}.0.0/16",)), logged_at_target=number)
        for number in range(1, 60)
    ]
    outside.append(replace(talk, source=Party(PartyKind.INTERFACE, ("NAT gateway nat-1",)), logged_at_target=100))
    found = read(page(replace(documentation, talks=tuple(outside))))
    assert {"10.59.0.0/16", "NAT gateway nat-1", "other networks"} <= set(found.nodes)
    assert "10.1.0.0/16" not in found.nodes
    assert "10.1.0.0/16" in found.text


def test_lines_are_drawn_between_those_who_talk() -> None:
    documentation = example(60)
    names = {one.group.id: one.group.name for one in documentation.groups}
    drawing = re.search(r'<svg id="map".*?</svg>', page(documentation), re.DOTALL)
    assert drawing is not None
    svg = ET.fromstring(drawing[0])  # noqa: S314 - it was just written
    nodes = [
        names.get(one.attrib["data-node"], one.attrib["data-node"]) for one in svg.iter() if "data-node" in one.attrib
    ]
    drawn = {
        (nodes[int(one.attrib["data-from"])], nodes[int(one.attrib["data-to"])], one[0].text or "")
        for one in svg.iter()
        if "data-from" in one.attrib
    }
    talked = {
        (" ".join(map(names.__getitem__, talk.source.ids)), names[talk.target.ids[0]])
        for talk in documentation.talks
        if talk.source.kind is PartyKind.GROUP and talk.source != talk.target
    }
    assert talked <= {(source, target) for source, target, _ in drawn}
    assert all(title.startswith(f"{source} → {target}: ") for source, target, title in drawn)


def test_what_only_outsiders_reach_stands_at_the_entry() -> None:
    documentation = example(60)
    bastion = next(one.group.id for one in documentation.groups if one.group.name == "prod-bastion")
    drawn = Map(documentation, {}).layout
    (card,) = [one for one in drawn.cards if bastion in one.members]
    balancers = next(one for one in drawn.cards if one.title == "load balancers")
    assert (card.tier, card.x) == (Tier.ENTRY, balancers.x)
