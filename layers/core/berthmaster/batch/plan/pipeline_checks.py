"""Whether what a document names exists, is allowed, and can run its tasks: a judgement on what AWS says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from berthmaster.batch.model.pipeline_facts import Allowed, Bucket, Container, Facts, TaskDefinition
from berthmaster.batch.model.pipelines import Pipeline, Problem

SPOT_WARNING = 120
"""Seconds between the notice and the end of a Spot task; also the longest stopTimeout."""
FARGATE, FARGATE_SPOT = "FARGATE", "FARGATE_SPOT"
_MANY = 5
"""Names that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """pipeline: with all defaults resolved, if there are no problems. warnings: what may go wrong nevertheless."""

    pipeline: Pipeline
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def judge(pipeline: Pipeline, facts: Facts, allowed: Allowed) -> Judgement:
    """Fill in the defaults that AWS knows, and say what is wrong. What could not be read is a warning."""
    resolved = _resolved(pipeline, facts)
    problems = (
        *_input_bucket(resolved, facts, allowed),
        *_output_bucket(resolved, facts, allowed),
        *_cluster(resolved, facts),
        *_task_definition(resolved, facts, allowed),
        *_container(resolved, facts),
        *_network(resolved, facts),
    )
    return Judgement(pipeline=resolved, problems=problems, warnings=tuple(_warnings(resolved, facts)))


def _resolved(pipeline: Pipeline, facts: Facts) -> Pipeline:
    run, definition = pipeline.run, facts.task_definition
    if definition:
        # It may have been named by an ARN, with or without a revision.
        has_revision = ":" in run.task_definition.rpartition("/")[2]
        name = f"{definition.family}:{definition.revision}" if has_revision else definition.family
        run = replace(run, task_definition=name, container=run.container or _only(definition))
    if facts.cluster:
        run = replace(run, cluster=facts.cluster.name)
    if not run.subnets:
        run = replace(run, subnets=tuple(sorted(one.id for one in facts.subnets)))
    if not run.security_groups:
        run = replace(run, security_groups=tuple(sorted(facts.security_groups)))
    return replace(pipeline, run=run)


def _only(definition: TaskDefinition) -> str:
    """The only container of a task definition, or the only essential one; empty if there is none such."""
    for some in (definition.containers, [one for one in definition.containers if one.is_essential]):
        if len(some) == 1:
            return some[0].name
    return ""


# Buckets


def _input_bucket(pipeline: Pipeline, facts: Facts, allowed: Allowed) -> Iterator[Problem]:
    field, name = "input.bucket", pipeline.input.bucket
    if name not in allowed.input_buckets:
        yield Problem(
            field, f"{name} must be one of the stack's parameter BatchInputBuckets: {_listed(allowed.input_buckets)}"
        )
    elif field not in facts.unread:
        yield from _bucket(field, name, facts.input_bucket, allowed.region)
        if facts.input_bucket and not facts.input_bucket.sends_events:
            yield Problem(
                field,
                f"{name} must send its events to EventBridge: turn that on in the bucket's properties, or by "
                "PutBucketNotificationConfiguration with an EventBridgeConfiguration",
            )


def _output_bucket(pipeline: Pipeline, facts: Facts, allowed: Allowed) -> Iterator[Problem]:
    field, name = "output.bucket", pipeline.output.bucket
    if name not in allowed.output_buckets:
        yield Problem(
            field, f"{name} must be one of the stack's parameter BatchOutputBuckets: {_listed(allowed.output_buckets)}"
        )
    elif field not in facts.unread:
        yield from _bucket(field, name, facts.output_bucket, allowed.region)


def _bucket(field: str, name: str, bucket: Bucket | None, region: str) -> Iterator[Problem]:
    if bucket is None:
        yield Problem(field, f"{name} does not exist, or is not this account's")
    elif bucket.region != region:
        yield Problem(field, f"{name} must be in {region}, and is in {bucket.region}")


# What is run


def _cluster(pipeline: Pipeline, facts: Facts) -> Iterator[Problem]:
    if "run.cluster" in facts.unread:
        return
    cluster = facts.cluster
    if cluster is None or not cluster.is_active:
        yield Problem("run.cluster", f"{pipeline.run.cluster} must be an active cluster of this account and Region")
    elif pipeline.spot_tries and FARGATE_SPOT not in cluster.providers:
        yield Problem(
            "spot.tries",
            f"must be 0, or the cluster {cluster.name} must have the capacity provider {FARGATE_SPOT}: see "
            "PutClusterCapacityProviders",
        )


def _task_definition(pipeline: Pipeline, facts: Facts, allowed: Allowed) -> Iterator[Problem]:
    field, definition = "run.taskDefinition", facts.task_definition
    if field in facts.unread:
        return
    if definition is None or not definition.is_active:
        yield Problem(
            field, f"{pipeline.run.task_definition} must be an active task definition of this account and Region"
        )
        return
    name = f"{definition.family}:{definition.revision}"
    if definition.family not in allowed.families:
        yield Problem(
            field,
            f"{definition.family} must be one of the stack's parameter BatchTaskDefinitions: "
            f"{_listed(allowed.families)}",
        )
    if definition.network_mode != "awsvpc":
        yield Problem(field, f"the network mode of {name} must be awsvpc, and is {definition.network_mode or 'bridge'}")
    if FARGATE not in definition.compatibilities:
        yield Problem(
            field, f"{name} must be compatible with Fargate: register it with requiresCompatibilities FARGATE"
        )
    for kind, role in definition.roles.items():
        if not any(role in (one, one.rpartition("/")[2]) for one in allowed.roles):
            yield Problem(field, f"the {kind} of {name}, {role}, must be one of the stack's parameter BatchPassRoles")


def _container(pipeline: Pipeline, facts: Facts) -> Iterator[Problem]:
    field, definition, name = "run.container", facts.task_definition, pipeline.run.container
    if definition is None:
        if not name and "run.taskDefinition" in facts.unread:
            yield Problem(field, "must be given, since the task definition could not be read to find its container")
        return
    names = _listed(one.name for one in definition.containers)
    if not name:
        yield Problem(field, f"must be given, since {definition.family} has several essential containers: {names}")
    elif _named(definition, name) is None:
        yield Problem(field, f"{name} must be a container of {definition.family}:{definition.revision}: {names}")


def _named(definition: TaskDefinition, name: str) -> Container | None:
    return next((one for one in definition.containers if one.name == name), None)


# Where it runs


def _network(pipeline: Pipeline, facts: Facts) -> Iterator[Problem]:
    yield from _subnets(pipeline, facts)
    field, run = "run.securityGroups", pipeline.run
    if field in facts.unread:
        if not run.security_groups:
            yield Problem(field, "must be given, since the default group could not be read")
        return
    missing = [one for one in run.security_groups if one not in facts.security_groups]
    if missing:
        yield Problem(field, f"{_listed(missing)} must be security groups of this account and Region")
    vpcs = {one.vpc_id for one in facts.subnets}
    elsewhere = [one for one, vpc in facts.security_groups.items() if vpcs and vpc not in vpcs]
    if elsewhere:
        yield Problem(field, f"{_listed(elsewhere)} must be in the VPC of the subnets, {_listed(vpcs)}")


def _subnets(pipeline: Pipeline, facts: Facts) -> Iterator[Problem]:
    field, run = "run.subnets", pipeline.run
    if field in facts.unread:
        if not run.subnets:
            yield Problem(field, "must be given, since the default subnets could not be read")
        return
    if not run.subnets:
        yield Problem(field, "must be given, since this Region has no default VPC with default subnets")
        return
    found = {one.id for one in facts.subnets}
    missing = [one for one in run.subnets if one not in found]
    vpcs = {one.vpc_id for one in facts.subnets}
    if missing:
        yield Problem(field, f"{_listed(missing)} must be subnets of this account and Region")
    if len(vpcs) > 1:
        yield Problem(field, f"must be in one VPC, and are in {_listed(vpcs)}")


# Warnings


def _warnings(pipeline: Pipeline, facts: Facts) -> Iterator[Problem]:
    for field, reason in sorted(facts.unread.items()):
        yield Problem(field, f"could not be checked: {reason}")
    container = facts.task_definition and _named(facts.task_definition, pipeline.run.container)
    if container and not container.is_essential:
        yield Problem(
            "run.container", f"{container.name} is not essential: a task goes on when it has ended, and is paid for"
        )
    if container and container.memory:
        yield Problem(
            "run.container",
            f"{container.name} has a memory limit of its own, {container.memory} MiB: when it is out of memory, a "
            "larger task does not help it",
        )
    if container and pipeline.spot_tries and container.stop_timeout < SPOT_WARNING:
        yield Problem(
            "spot.tries",
            f"the stopTimeout of {container.name} is {container.stop_timeout} seconds: with {SPOT_WARNING} it would "
            "have all the time that Spot gives to end its work",
        )
    elif container and pipeline.has_workers and container.stop_timeout < SPOT_WARNING:
        yield Problem(
            "run.container",
            f"the stopTimeout of {container.name} is {container.stop_timeout} seconds: a worker relies on "
            f"{SPOT_WARNING} to hand back what it cannot finish",
        )
    free = sum(one.free_addresses for one in facts.subnets)
    if facts.subnets and free < pipeline.limits.tasks:
        yield Problem(
            "limits.tasks", f"{pipeline.limits.tasks} tasks do not fit: the subnets have {free} free addresses"
        )
    public = [one.id for one in facts.subnets if one.gives_public_ips]
    if public and not pipeline.run.assign_public_ip:
        yield Problem(
            "run.assignPublicIp",
            f"is false, and {_listed(public)} seem to be public: without an address or a VPC endpoint there, a task "
            "cannot pull its image",
        )


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _MANY} more" if len(found) > _MANY else ""
    return f"{', '.join(found[:_MANY])}{more}" if found else "none"
