"""What must hold for every page that the demo writes."""

from __future__ import annotations

import re
from html.parser import HTMLParser


def figures_of(page: str) -> list[str]:
    """The large numbers of a page, which must need no other file, close every tag and use each id once."""
    assert not re.findall(r"https?://|\bsrc=|\bhref=|url\(|@import|<script", page)
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    return reader.figures


class _Reader(HTMLParser):
    """Checks that tags are balanced; collects ids and the two large numbers."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.figures: list[str] = []
        self._in_figure = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self._in_figure = named.get("class") == "figure"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._in_figure:
            self.figures.append(data)
            self._in_figure = False
