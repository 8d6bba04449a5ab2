"""From tags to declarations, and from declarations to the tasks and ports that are registered."""

import re
from collections.abc import Mapping

from berthmaster.arn import Arn
from berthmaster.targets.model import (
    MANAGED_TAG,
    Declaration,
    Definition,
    Destination,
    DiscoveryService,
    EcsSelector,
    EksSelector,
    Endpoint,
    Finding,
    Selector,
    Task,
)

PREFIX = "berthmaster:"
MANAGED, DETACHED = "managed", "detached"
HIGHEST_PORT = 65_535
_CLUSTER = re.compile(r"[\w-]{1,255}", re.ASCII)
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ECS = ("cluster", "service", "family", "container")
_EKS = ("eks-cluster", "namespace", "k8s-service")


class Unclear(Exception):
    """The tags, or the task definition they refer to, do not say what is to be registered."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def declaration(arn: str, tags: Mapping[str, str]) -> Declaration | Finding | None:
    """Read the tags of a target group or Cloud Map service; None if it is not managed, a Finding if they are wrong."""
    try:
        own = {key.removeprefix(PREFIX): value.strip() for key, value in tags.items() if key.startswith(PREFIX)}
        return _declaration(arn, own)
    except Unclear as unclear:
        return Finding(destination=arn, code=unclear.code, text=unclear.text)


def _declaration(arn: str, tags: Mapping[str, str]) -> Declaration | None:
    mode = tags.get(MANAGED_TAG.removeprefix(PREFIX), "")
    if not mode:
        return None
    if mode not in {MANAGED, DETACHED}:
        raise Unclear("tags", f"{MANAGED_TAG}={mode} is neither {MANAGED} nor {DETACHED}")
    return Declaration(
        arn=arn,
        selector=_selector(tags),
        container=tags.get("container", ""),
        port=_port(tags.get("port", "")),
        detached=mode == DETACHED,
        adopts=_adopts(tags.get("adopt", "")) and mode == MANAGED,
    )


def _selector(tags: Mapping[str, str]) -> Selector:
    ecs = [name for name in _ECS if tags.get(name)]
    eks = [name for name in _EKS if tags.get(name)]
    if ecs and eks:
        raise Unclear("tags", f"{PREFIX}{ecs[0]} names ECS and {PREFIX}{eks[0]} names EKS: choose one")
    if eks:
        return EksSelector(*(_named(tags, name, _DNS_LABEL if name != "eks-cluster" else _CLUSTER) for name in _EKS))
    cluster = _named(tags, "cluster", _CLUSTER)
    services, families = _names(tags, "service"), _names(tags, "family")
    if bool(services) == bool(families):
        raise Unclear("tags", f"exactly one of {PREFIX}service and {PREFIX}family must be given")
    return EcsSelector(cluster, services, families)


def _names(tags: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The names in a tag, each once; spaces are between them."""
    names = sorted(set(tags.get(name, "").split()))
    return tuple(_checked(name, one, _CLUSTER) for one in names)


def _named(tags: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    value = tags.get(name, "")
    if not value:
        raise Unclear("tags", f"{PREFIX}{name} is missing")
    return _checked(name, value, pattern)


def _checked(name: str, value: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(value):
        raise Unclear("tags", f"{PREFIX}{name}={value[:64]!r} is not a name that AWS accepts")
    return value


def _port(value: str) -> str:
    if value.isdecimal() and not 1 <= int(value) <= HIGHEST_PORT:
        raise Unclear("tags", f"{PREFIX}port={value} is not a port")
    return value


def _adopts(value: str) -> bool:
    if value not in {"", "true", "false"}:
        raise Unclear("tags", f"{PREFIX}adopt={value[:64]!r} is neither true nor false")
    return value == "true"


def matches(declared: Declaration, task: Task) -> bool:
    """Whether a declaration selects a task, whoever registers it."""
    selector = declared.selector
    return isinstance(selector, EcsSelector) and selector.includes(task.cluster, task.service, task.family)


def is_registered_by_ecs(destination: Destination, task: Task, port: int | None = None) -> bool:
    """Whether ECS itself registers a task in a destination, at that port if one is given."""
    service = f"{task.cluster}/{task.service}"
    return any(name == service and port in {None, at} for name, at in destination.registered_by_ecs)


def selects(destination: Destination, task: Task) -> bool:
    """Whether Berthmaster is to register a task in a destination: its tags select it and ECS does not register it."""
    declared = destination.declaration
    return matches(declared, task) and not declared.detached and not is_registered_by_ecs(destination, task)


def endpoint(destination: Destination, task: Task, definition: Definition) -> Endpoint:
    """The endpoint of a task in a destination; Unclear if its address or port cannot be determined."""
    if task.address is None:
        raise Unclear("network mode", "a task has no address of its own, since its network mode is not awsvpc")
    return Endpoint(
        owner=task.arn,
        address=task.address,
        port=_port_of(destination, definition),
        version=task.version,
        since=task.started_at,
        attributes=_attributes(task) if isinstance(destination.body, DiscoveryService) else {},
    )


def _port_of(destination: Destination, definition: Definition) -> int:
    declared = destination.declaration
    containers = [one for one in definition.containers if declared.container in ("", one.name)]
    if not containers:
        raise Unclear("container", f"the task definition has no container {declared.container!r}")
    found = {
        number
        for container in containers
        for name, number in container.ports.items()
        if declared.port in ("", name, str(number))
    }
    if len(found) == 1:
        return found.pop()
    if declared.port.isdecimal():
        # A container may listen on a port that its definition does not list.
        return int(declared.port)
    if not found and declared.port:
        raise Unclear("port", f"no container port is named {declared.port!r}")
    if not found:
        raise Unclear("port", f"the task definition maps no port: choose one with {PREFIX}port")
    several = ", ".join(str(number) for number in sorted(found))
    raise Unclear("port", f"ports {several} are possible: choose one with {PREFIX}port or {PREFIX}container")


def _attributes(task: Task) -> dict[str, str]:
    """The attributes that ECS writes into Cloud Map for a task of a service."""
    known = {
        "AVAILABILITY_ZONE": task.address.zone if task.address else "",
        "REGION": Arn.parse(task.arn).region,
        "ECS_CLUSTER_NAME": task.cluster,
        "ECS_SERVICE_NAME": task.service,
        "ECS_TASK_DEFINITION_FAMILY": task.family,
    }
    return {name: value for name, value in known.items() if value}
