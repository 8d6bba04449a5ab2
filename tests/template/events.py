"""The sample events in events/, and whether a rule matches one."""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from moto.events.models import EventPattern

from simulator.aws.events import bus
from simulator.template_contract.application import ROOT

QUEUES = {
    "capacity_expand": "CapacityQueue",
    "targets_sync": "TargetsQueue",
    "batch_control": "BatchControlQueue",
    "batch_intake": "BatchObjectQueue",
    "batch_dispatch": "BatchDispatchQueue",
    "batch_follow": "BatchTaskQueue",
    "security_groups_track": "SecurityGroupsTopologyQueue",
    "security_groups_credit": "SecurityGroupsCreditQueue",
    "security_groups_watch": "SecurityGroupsWatchQueue",
    "security_groups_report": "SecurityGroupsReportQueue",
    "security_groups_change": "SecurityGroupsChangeQueue",
}
RESULTS, RESULT_QUEUE = ("batch_follow_file_processed",), "BatchResultQueue"
"""What workers send to batch_follow, past EventBridge."""
FROM_TOPICS = ("security_groups_change_topic",)
"""What SNS has put into a queue, in its envelope."""
QUEUED = sorted(
    path.stem
    for function in QUEUES
    for path in (ROOT / "events").glob(f"{function}_*.json")
    if path.stem not in FROM_TOPICS
)


def read(name: str) -> dict[str, Any]:
    """One file, as Lambda receives it."""
    return dict(json.loads((ROOT / "events" / f"{name}.json").read_text()))


def queue_of(name: str) -> str:
    """The queue that a file has a message of."""
    if name in RESULTS:
        return RESULT_QUEUE
    return next(queue for function, queue in QUEUES.items() if name.startswith(function))


def event_in(name: str) -> dict[str, Any]:
    """The EventBridge event in the body of a file's only message."""
    (record,) = read(name)["Records"]
    return dict(json.loads(record["body"]))


def with_value(event: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same event with another value at a path such as `detail.state.value`."""
    changed = deepcopy(dict(event))
    *parents, last = path.split(".")
    node: Any = changed
    for parent in parents:
        node = node[int(parent) if isinstance(node, list) else parent]
    node[last] = value
    return changed


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule with this pattern matches the event."""
    return bus.matches(EventPattern.load(json.dumps(pattern)), dict(event))
