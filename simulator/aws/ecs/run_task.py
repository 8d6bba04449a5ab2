"""RunTask: up to ten tasks on Fargate, some of which may fail; the rest of the answer stands all the same.

Only tasks with an interface of their own (awsvpc). The texts of errors are AWS's where a user has quoted them, else
unverified; codes are those of the service model.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.capacity_providers import providers
from simulator.aws.ecs.client_tokens import ClientTokens
from simulator.aws.ecs.fargate import Fargate
from simulator.aws.ecs.placement import Spread
from simulator.aws.ecs.rates import Rates
from simulator.aws.ecs.services import check_network, cluster
from simulator.aws.ecs.sizes import check_size, cpu_units
from simulator.aws.ecs.task_definitions import task_definition
from simulator.aws.ecs.task_life import Tasks
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params

RUN_LIMIT = 10
OVERRIDES_LIMIT = 8192


def run_task(account: Account, params: Params) -> dict[str, Any]:
    """RunTask: each task is PROVISIONING, or a failure; the same client token again gives the same answer."""
    rates = account.state(Rates)
    rates.run_task.admit(account)
    rates.changes.admit(account)
    if refusal := account.state(Fargate).refusal:
        raise refusal
    home = cluster(account, params)
    if answer := account.state(ClientTokens).replay(home.arn, params):
        return answer
    definition = task_definition(account, params["taskDefinition"])
    if definition is None:
        raise AwsError("ClientException", "TaskDefinition not found.")
    if definition.status != "ACTIVE":
        raise AwsError("ClientException", "TaskDefinition is inactive.")
    count = params.get("count", 1)
    if not 1 <= count <= RUN_LIMIT:
        raise AwsError("InvalidParameterException", f"Count must be between 1 and {RUN_LIMIT}.")
    network = params.get("networkConfiguration")
    if not network:
        message = "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        raise AwsError("InvalidParameterException", message)
    check_network(account, network)
    _check_group(params.get("group", ""))
    _check_overrides(definition, params.get("overrides", {}))
    assigned = providers(home, params, count)
    rates.admit_launches(account, assigned)
    return _launch(account, home, definition, params, assigned)


def _launch(account: Account, home: Any, definition: Any, params: Params, assigned: list[str]) -> dict[str, Any]:
    fargate, tasks = account.state(Fargate), account.state(Tasks)
    awsvpc = params["networkConfiguration"]["awsvpcConfiguration"]
    group = params.get("group") or f"family:{definition.family}"
    overrides = params.get("overrides", {})
    vcpus = cpu_units(str(overrides.get("cpu") or definition.cpu or 0)) / 1024
    spread = Spread(account, awsvpc["subnets"], tasks.zones(group), rng=tasks.placement)
    started, failures = [], []
    for provider in assigned:
        subnet = spread.next()
        reason = fargate.refuses(subnet.availability_zone, provider, tasks.vcpus(provider) + vcpus)
        if reason:
            failures.append({"reason": reason})
            if not account.faults.occurs("ghost"):
                continue
        task = tasks.start(
            definition,
            home,
            subnet,
            group=group,
            started_by=params.get("startedBy", ""),
            security_groups=awsvpc.get("securityGroups", []),
            tags=params.get("tags", []),
            overrides=overrides,
            capacity_provider=provider,
        )
        tasks.show_late(task)
        if not reason:
            started.append(task)
    account.state(ClientTokens).keep(home.arn, params, started, failures)
    return {"tasks": [task.described() | {"tags": task.tags} for task in started], "failures": failures}


def _check_group(group: str) -> None:
    """Refuse a group in a namespace of ECS's; which ones there are besides `service:` is not documented."""
    namespace, colon, _ = group.partition(":")
    if colon and namespace != "family":
        raise AwsError("InvalidParameterException", "Invalid namespace for group.")


def _check_overrides(definition: Any, overrides: Params) -> None:
    if not overrides:
        return
    if len(json.dumps(overrides)) > OVERRIDES_LIMIT:
        message = f"Container Overrides length must be at most {OVERRIDES_LIMIT}"
        raise AwsError("InvalidParameterException", message)
    names = {one["name"] for one in definition.container_definitions}
    for one in overrides.get("containerOverrides", ()):
        if one.get("name") not in names:
            message = f"Override for container named {one.get('name')} is not a container in the TaskDefinition."
            raise AwsError("InvalidParameterException", message)
    if "cpu" in overrides or "memory" in overrides:
        check_size(
            str(overrides.get("cpu") or definition.cpu or 0), str(overrides.get("memory") or definition.memory or 0)
        )


HANDLERS: Handlers = {"ecs:RunTask": run_task}
