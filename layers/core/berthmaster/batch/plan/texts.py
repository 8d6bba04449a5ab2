"""AWS's texts: what is read from them, and how people are shown them."""

from collections.abc import Iterable
from dataclasses import dataclass

QUOTED = 400
"""So many characters of AWS's text are in a diagnosis."""


@dataclass(frozen=True, slots=True)
class Rule[Kind]:
    """What it means if a text has one of each group of words, in any case; words: in lower case."""

    all_of: tuple[tuple[str, ...], ...]
    kind: Kind
    text: str


def first[Kind](rules: Iterable[Rule[Kind]], text: str) -> tuple[Kind, str] | None:
    """The meaning of a text, by the first rule that matches."""
    lower = text.lower()
    for rule in rules:
        if all(any(word in lower for word in words) for words in rule.all_of):
            return rule.kind, rule.text
    return None


def quoting(text: str, said: str) -> str:
    """A sentence, with AWS's own words behind it."""
    if not said:
        return text
    return f"{text} AWS: {said if len(said) <= QUOTED else f'{said[: QUOTED - 1]}…'}"
