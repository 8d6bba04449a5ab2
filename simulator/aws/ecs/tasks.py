"""ECS tasks: stopped, listed and described while `simulator.aws.ecs.task_life` moves them on.

The texts of errors are AWS's where a user has quoted them, else unverified; codes are those of the service model.
Functions see a task that RunTask has just started a moment later ("eventual consistency model"; the moment is not
documented).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.placement import Spread
from simulator.aws.ecs.rates import Rates
from simulator.aws.ecs.services import cluster
from simulator.aws.ecs.task_life import Tasks
from simulator.calls import is_function
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.account import Account, Handlers, Params
    from simulator.aws.ecs.task import Task


DESCRIBE_LIMIT = 100
# "Recently stopped tasks might appear in the returned results" (ListTasks); for how long is not documented.
LIST_LAG = 3.0
STOPPED_BY_USER = "Task stopped by user"


def start_tasks(
    account: Account,
    home: Any,
    definition: Any,
    network: Mapping[str, Any],
    *,
    count: int,
    group: str,
    started_by: str = "",
    activates: bool = False,
) -> list[Task]:
    """Start tasks of one group in a cluster (moto's), spread over the zones of their subnets."""
    awsvpc, tasks = network["awsvpcConfiguration"], account.state(Tasks)
    spread = Spread(account, awsvpc["subnets"], tasks.zones(group), rng=tasks.placement)
    return [
        tasks.start(
            definition,
            home,
            spread.next(),
            group=group,
            started_by=started_by,
            security_groups=awsvpc.get("securityGroups", []),
            activates=activates,
        )
        for _ in range(count)
    ]


def stop_task(account: Account, params: Params) -> dict[str, Any]:
    """StopTask: the task begins to stop and loses its tags; one that is stopping already is returned as it is."""
    account.state(Rates).changes.admit(account)
    task = _find(account, cluster(account, params), params["task"])
    if task is None:
        raise AwsError("InvalidParameterException", "The referenced task was not found.")
    task.tags = []
    account.state(Tasks).leave(task, "UserInitiated", params.get("reason") or STOPPED_BY_USER)
    return {"task": _shown(task)}


def list_tasks(account: Account, params: Params) -> dict[str, Any]:
    """ListTasks by desired status, RUNNING unless asked; tasks that have just begun to stop still appear there."""
    account.state(Rates).reads.admit(account)
    home = cluster(account, params)
    accepts = [condition for name, condition in _conditions(account, home, params).items() if params.get(name)]
    desired = params.get("desiredStatus", "RUNNING")
    since = account.clock.timestamp() - LIST_LAG
    return {
        "taskArns": [
            task.arn
            for task in account.state(Tasks).visible()
            if task.cluster == home.name
            and not _is_too_new(account, task)
            and (task.desired_status == desired or (desired == "RUNNING" and _left_after(task, since)))
            and all(accept(task) for accept in accepts)
        ]
    }


def _conditions(account: Account, home: Any, params: Params) -> dict[str, Callable[[Task], bool]]:
    service = params.get("serviceName", "").rpartition("/")[2]
    if service and f"{home.name}:{service}" not in account.backend("ecs").services:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if "startedBy" in params and any(name in params for name in ("family", "serviceName")):
        raise AwsError("InvalidParameterException", "startedBy must be the only filter.")
    return {
        "serviceName": lambda task: task.service == service,
        "family": lambda task: task.family == params["family"],
        "startedBy": lambda task: task.started_by == params["startedBy"],
        "launchType": lambda _: params["launchType"] == "FARGATE",
        "containerInstance": lambda _: False,
    }


def _left_after(task: Task, since: float) -> bool:
    return task.left_at is not None and task.left_at.timestamp() > since


def describe_tasks(account: Account, params: Params) -> dict[str, Any]:
    """DescribeTasks, 100 at most; an unknown one, or one that stopped an hour ago, is a failure."""
    account.state(Rates).reads.admit(account)
    home = cluster(account, params)
    names = params["tasks"]
    if not names:
        raise AwsError("InvalidParameterException", "Tasks cannot be empty.")
    if len(names) > DESCRIBE_LIMIT:
        raise AwsError("InvalidParameterException", f"Tasks cannot have more than {DESCRIBE_LIMIT} elements.")
    with_tags = "TAGS" in params.get("include", [])
    found, failures = [], []
    for name in dict.fromkeys(names):
        task = _find(account, home, name)
        if task is None or _is_too_new(account, task):
            failures.append({"arn": _arn(account, home, name), "reason": "MISSING"})
        else:
            found.append(_shown(task, with_tags=with_tags))
    return {"tasks": found, "failures": failures}


def _is_too_new(account: Account, task: Task) -> bool:
    """Whether functions do not see a task yet."""
    return account.clock.timestamp() < task.shown_from and is_function()


def _find(account: Account, home: Any, name: str) -> Task | None:
    task = account.state(Tasks).find(_arn(account, home, name))
    return task if task is not None and task.cluster == home.name and account.state(Tasks).is_visible(task) else None


def _arn(account: Account, home: Any, name: str) -> str:
    return (
        name
        if name.startswith("arn:")
        else f"arn:aws:ecs:{account.region}:{account.account_id}:task/{home.name}/{name}"
    )


def _shown(task: Task, *, with_tags: bool = False) -> dict[str, Any]:
    return task.described() | ({"tags": task.tags} if with_tags else {})


HANDLERS: Handlers = {
    "ecs:StopTask": stop_task,
    "ecs:ListTasks": list_tasks,
    "ecs:DescribeTasks": describe_tasks,
}
