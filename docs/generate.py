"""Writes docs/permissions.md from template.yaml: `make docs`."""  # noqa: INP001 - a script

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from tests.template.application import OPTIONAL, PSEUDO_PARAMETERS, as_list, named
from tests.template.grants import ANYWHERE, WHATEVER_ITS_TAGS, Grant, granted

PAGE = Path(__file__).parent / "permissions.md"
FUNCTIONS = {
    "CapacityWatchFunction": "capacity_watch, which measures",
    "CapacityExpandFunction": "capacity_expand, which plans and expands",
    "TargetsSyncFunction": "targets_sync, which registers and deregisters",
    "TargetsReconcileFunction": "targets_reconcile, which compares and heals",
    "TargetsGateFunction": "targets_gate, which deployments ask",
}

BY_DEFAULT = {grant.sid for function in FUNCTIONS for grant in granted(function, ())}
ONLY_WITH = {
    grant.sid: parameter
    for parameter in OPTIONAL
    for function in FUNCTIONS
    for grant in granted(function, [parameter])
    if grant.sid not in BY_DEFAULT
}


def page() -> str:
    """The whole document."""
    text = "\n".join(
        [
            "# What Berthmaster may do in an account",
            "",
            "Made from `template.yaml` by `make docs`; a test fails when the two differ.",
            "Each function has a role of its own, and no role has a policy but these.",
            *(line for function, title in FUNCTIONS.items() for line in _section(function, title)),
            "",
        ]
    )
    return text.replace(PSEUDO_PARAMETERS["AWS::Region"], "REGION")


def _changes_others(grant: Grant) -> bool:
    return grant.changes_something and not grant.is_in_stack and grant.action not in ANYWHERE


def _section(function: str, title: str) -> Iterator[str]:
    grants = granted(function)
    own = [grant for grant in grants if grant.is_in_stack or grant.action in ANYWHERE]
    changes = [grant for grant in grants if _changes_others(grant)]
    yield from ("", f"## {title}", "", "Changes to what is not its own:", "")
    yield from _table(changes) if changes else ["none."]
    yield from ("", "Its own resources, made by the stack:", "")
    yield from _table(own)
    yield from ("", "Reads:", "")
    yield from _table(grant for grant in grants if grant not in own and grant not in changes)


def _table(grants: Iterable[Grant]) -> Iterator[str]:
    yield "| to | it may call | on | only if |"
    yield "|---|---|---|---|"
    for sid, together in groupby(grants, key=lambda grant: grant.sid):
        members = list(together)
        actions = dict.fromkeys(f"`{grant.action}`" for grant in members)
        resources = dict.fromkeys(_resource(grant) for grant in members)
        conditions = "; ".join(_conditions(members[0]))
        yield f"| {_words(sid)} | {' '.join(actions)} | {' '.join(resources)} | {conditions} |"


def _resource(grant: Grant) -> str:
    if grant.is_in_stack:
        return named(grant.resource)
    return "anything" if grant.resource == "*" else f"`{grant.resource.split(':', 5)[-1]}`"


def _conditions(grant: Grant) -> Iterator[str]:
    for operator, keys in grant.condition.items():
        for key, value in keys.items():
            if operator == "Null":
                yield f"`{key}` is there"
            else:
                yield f"`{key}` is {' or '.join(f'`{one}`' for one in as_list(value))}"
    if grant.sid in ONLY_WITH:
        yield f"`{ONLY_WITH[grant.sid]}` is set"
    if reason := WHATEVER_ITS_TAGS.get((grant.action, grant.resource_type)):
        yield reason


def _words(sid: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", sid).lower()


if __name__ == "__main__":
    PAGE.write_text(page())
