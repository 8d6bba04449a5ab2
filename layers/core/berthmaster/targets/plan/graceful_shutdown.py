"""Whether containers live as long as their targets may get requests.

ECS sends SIGTERM to a task that it does not register itself as soon as it stops it, and SIGKILL `stopTimeout` later.
Berthmaster deregisters the task at the same time, but a load balancer goes on routing to it for a while. A container
that is killed before drops what it is sent.

Source: `stopTimeout` of `ContainerDefinition` in the Amazon ECS API reference; `TargetGroup` says how long is routed.
"""

from berthmaster.targets.model import Definition, Destination, Finding, Task

FARGATE_MAXIMUM = 120
"""Seconds; the longest `stopTimeout` on Fargate."""


def shutdown_findings(destination: Destination, task: Task, definition: Definition, port: int) -> list[Finding]:
    """The containers of a task that serve its target and are killed while the destination may still send requests."""
    chosen = destination.declaration.container
    routing = int(destination.body.routing.total_seconds())
    return [
        Finding(
            destination=destination.arn,
            code="stopTimeout",
            text=_text(container.name, task.family, int(container.stop_timeout.total_seconds()), routing),
        )
        for container in definition.containers
        if chosen in ("", container.name)
        and port in container.ports.values()
        and container.stop_timeout < destination.body.routing
    ]


def _text(container: str, family: str, stop_timeout: int, routing: int) -> str:
    remedy = f"set stopTimeout to {routing} s or more, and serve on after SIGTERM"
    if routing > FARGATE_MAXIMUM:
        remedy = f"shorten the DNS TTL (Fargate allows a stopTimeout of {FARGATE_MAXIMUM} s at most), {remedy}"
    return (
        f"container {container} of task definition {family} is killed {stop_timeout} s after SIGTERM, and requests may "
        f"arrive for {routing} s after it is deregistered: {remedy}"
    )
