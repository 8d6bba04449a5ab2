"""docs/permissions.md, from template.yaml."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from simulator.template_contract.application import PSEUDO_PARAMETERS, as_list, named
from simulator.template_contract.grants import OPTIONAL, WHATEVER_ITS_TAGS, Grant, granted

PAGE = Path(__file__).parents[1] / "permissions.md"
HOLDERS = {
    "CapacityWatchFunction": "capacity_watch, which measures and forecasts",
    "CapacityExpandFunction": "capacity_expand, which plans and adds room",
    "TargetsSyncFunction": "targets_sync, which registers and deregisters",
    "TargetsReconcileFunction": "targets_reconcile, which compares and corrects",
    "TargetsPodsFunction": "targets_pods, which follows pods",
    "TargetsPodsReaderFunction": "targets_pods_reader, which reads private endpoints of EKS (with `TargetsPodSubnets`)",
    "TargetsGateFunction": "targets_gate, which answers ECS's lifecycle hooks",
    "BatchControlFunction": "batch_control, which puts pipelines in force",
    "BatchIntakeFunction": "batch_intake, which records files",
    "BatchDispatchFunction": "batch_dispatch, which launches tasks",
    "BatchFollowFunction": "batch_follow, which follows tasks and commits results",
    "BatchReconcileFunction": "batch_reconcile, which corrects every minute",
    "SecurityGroupsSurveyFunction": "security_groups_survey, which records who has which address, group and rule",
    "SecurityGroupsTrackFunction": "security_groups_track, which records what events show of it",
    "SecurityGroupsCreditFunction": "security_groups_credit, which reads flow logs",
    "SecurityGroupsWatchFunction": "security_groups_watch, which reads what flow logs say was rejected",
    "SecurityGroupsReportFunction": "security_groups_report, which writes reports and answers requests",
    "SecurityGroupsChangeFunction": "security_groups_change, which removes rules, and restores them",
    "ScheduleRole": "EventBridge Scheduler, which starts what runs on a schedule",
    "TargetsGateInvokeRole": "ECS, which calls targets_gate",
}

BY_DEFAULT = {grant.sid for holder in HOLDERS for grant in granted(holder, {})}
ONLY_WITH = {
    grant.sid: parameter
    for parameter, value in OPTIONAL.items()
    for holder in HOLDERS
    for grant in granted(holder, {parameter: value})
    if grant.sid not in BY_DEFAULT
}


def page() -> str:
    """The whole document."""
    text = "\n".join(
        [
            "# What Berthmaster may do in an account",
            "",
            "Generated from `template.yaml` by `make docs`; a test fails when the two differ.",
            "Each function has its own role. These are all roles, with everything that their policies allow.",
            *(line for holder, title in HOLDERS.items() for line in _section(holder, title)),
            "",
        ]
    )
    return text.replace(PSEUDO_PARAMETERS["AWS::Region"], "REGION")


def _section(holder: str, title: str) -> Iterator[str]:
    grants = granted(holder)
    own = [grant for grant in grants if grant.is_in_stack]
    changes = [grant for grant in grants if grant.changes_others]
    by_lambda = [grant for grant in grants if grant.by_lambda_only]
    reads = [grant for grant in grants if grant not in own and grant not in changes and grant not in by_lambda]
    yield from ("", f"## {title}")
    yield from _table("Changes to resources outside the stack:", changes)
    yield from _table("Reads of resources outside the stack:", reads)
    yield from _table("Calls to resources of the stack:", own)
    if by_lambda:
        yield from _table("What only Lambda itself does with this role, and the function's code may not:", by_lambda)


def _table(heading: str, grants: Iterable[Grant]) -> Iterator[str]:
    rows = [(sid, list(together)) for sid, together in groupby(grants, key=lambda grant: grant.sid)]
    yield from ("", heading if rows else f"{heading} none.")
    if rows:
        yield from ("", "| purpose | actions | resources | condition |", "|---|---|---|---|")
    for sid, members in rows:
        actions = dict.fromkeys(f"`{grant.action}`" for grant in members)
        resources = dict.fromkeys(_resource(grant) for grant in members)
        conditions = "; ".join(_conditions(members[0]))
        yield f"| {_words(sid)} | {' '.join(actions)} | {' '.join(resources)} | {conditions} |"


def _resource(grant: Grant) -> str:
    if grant.is_in_stack:
        return named(grant.resource)
    return "all" if grant.resource == "*" else f"`{grant.resource.split(':', 5)[-1]}`"


def _conditions(grant: Grant) -> Iterator[str]:
    for operator, keys in grant.condition.items():
        for key, value in keys.items():
            if operator == "Null":
                yield f"`{key}` is present"
            else:
                yield f"`{key}` is {' or '.join(f'`{one}`' for one in as_list(value))}"
    if grant.sid in ONLY_WITH:
        yield f"`{ONLY_WITH[grant.sid]}` is set"
    if reason := WHATEVER_ITS_TAGS.get((grant.action, grant.resource_type)):
        yield reason


def _words(sid: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", sid).lower()
