"""What must hold for every page that the demo writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "br"})


@dataclass
class Page:
    """What was read: the large `numbers`, each step of a plan, and the `command` that makes the page again."""

    ids: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    captions_of_figures: list[int] = field(default_factory=list)
    charts_outside_figures: int = 0
    numbers: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    command: str = ""
    text: str = ""


def read(text: str) -> Page:
    """Read a page, which must need no other file, close its tags, resolve its links and caption its figures."""
    assert not re.findall(r"https?://|\bsrc=|href=\"[^#]|url\(|@import|<script", text)
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    page = reader.page
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= {f"#{id_}" for id_ in page.ids}
    assert page.contents == [f"#{id_}" for id_ in page.headings]
    assert set(page.captions_of_figures) == {1}
    assert not page.charts_outside_figures
    assert len(page.steps) == len(set(page.steps))
    assert len(page.reasons) == len(set(page.reasons))
    return page


class _Reader(HTMLParser):
    """Follows the open tags, each with its class."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag in VOID:
            return
        self.open.append((tag, dict(attrs).get("class") or ""))
        if self._is_step():
            self.page.steps.append("")
        elif self._is_in("span", "reason"):
            self.page.reasons.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        page, named = self.page, {name: value or "" for name, value in attrs}
        page.ids += [named["id"]] if "id" in named else []
        page.links += [named["href"]] if "href" in named else []
        if tag == "a" and self._has("nav"):
            page.contents.append(named["href"])
        elif tag in {"h2", "h3"} and "id" in named and self._has("article", "again"):
            page.headings.append(named["id"])
        elif tag == "figure":
            page.captions_of_figures.append(0)
        elif tag == "figcaption" and self._has("figure"):
            page.captions_of_figures[-1] += 1
        elif tag == "svg" and named.get("role") == "img" and not self._has("figure"):
            page.charts_outside_figures += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        page = self.page
        page.text += data
        if self._is_in("dd", "figure"):
            page.numbers.append(data)
        elif self._is_in("pre", "command"):
            page.command += data
        elif self._is_in("span", "reason"):
            page.reasons[-1] += data
        elif any(tag == "li" for tag, _ in self.open) and page.steps:
            page.steps[-1] += data

    def _is_step(self) -> bool:
        return len(self.open) > 1 and self.open[-1][0] == "li" and self.open[-2][1] == "steps"

    def _is_in(self, tag: str, class_: str) -> bool:
        return bool(self.open) and self.open[-1] == (tag, class_)

    def _has(self, *names: str) -> bool:
        """Whether a tag with that name or class is open."""
        return any(name in pair for pair in self.open for name in names)
