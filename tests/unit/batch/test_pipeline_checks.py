"""What AWS says about a document: refusals name the field, warnings do not refuse, what is unread is no refusal."""

from dataclasses import replace
from typing import Any

import pytest

from berthmaster.batch.model.pipeline_facts import Allowed, Bucket, Cluster, Container, Facts, Subnet, TaskDefinition
from berthmaster.batch.model.pipelines import Contract, Pipeline
from berthmaster.batch.plan.pipeline_checks import judge
from tests.support.batch.pipelines import a_pipeline

HERE = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/service/ocr-task"
ALLOWED = Allowed(
    region=HERE,
    input_buckets=frozenset({"incoming"}),
    output_buckets=frozenset({"results"}),
    families=frozenset({"ocr"}),
    roles=frozenset({ROLE}),
)
OCR = Container(name="ocr", is_essential=True, stop_timeout=120)
DEFINITION = TaskDefinition(
    family="ocr",
    revision=7,
    is_active=True,
    network_mode="awsvpc",
    compatibilities=("EC2", "FARGATE"),
    containers=(OCR,),
    roles={"task role": ROLE},
)
PIPELINE = a_pipeline()
(SUBNET,), (GROUP,) = PIPELINE.run.subnets, PIPELINE.run.security_groups
FACTS = Facts(
    input_bucket=Bucket(region=HERE, sends_events=True),
    output_bucket=Bucket(region=HERE),
    task_definition=DEFINITION,
    cluster=Cluster(name="batch", is_active=True, providers=("FARGATE",)),
    subnets=(Subnet(id=SUBNET, vpc_id="vpc-1", free_addresses=100),),
    security_groups={GROUP: "vpc-1"},
)


def run(**changes: Any) -> Pipeline:
    return replace(PIPELINE, run=replace(PIPELINE.run, **changes))


def definition(**changes: Any) -> Facts:
    return replace(FACTS, task_definition=replace(DEFINITION, **changes))


def problems(facts: Facts, pipeline: Pipeline = PIPELINE) -> list[str]:
    return [one.field for one in judge(pipeline, facts, ALLOWED).problems]


def warnings(facts: Facts, pipeline: Pipeline = PIPELINE) -> list[str]:
    return [one.field for one in judge(pipeline, facts, ALLOWED).warnings]


def test_a_document_that_fits_has_neither_problems_nor_warnings() -> None:
    judgement = judge(PIPELINE, FACTS, ALLOWED)
    assert (judgement.pipeline, judgement.problems, judgement.warnings) == (PIPELINE, (), ())


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (replace(FACTS, input_bucket=None), "input.bucket"),
        (replace(FACTS, input_bucket=Bucket(region=HERE)), "input.bucket"),
        (replace(FACTS, input_bucket=Bucket(region="us-east-1", sends_events=True)), "input.bucket"),
        (replace(FACTS, output_bucket=None), "output.bucket"),
        (replace(FACTS, output_bucket=Bucket(region="us-east-1")), "output.bucket"),
        (replace(FACTS, cluster=None), "run.cluster"),
        (replace(FACTS, cluster=Cluster(name="batch", is_active=False, providers=())), "run.cluster"),
        (replace(FACTS, task_definition=None), "run.taskDefinition"),
        (definition(is_active=False), "run.taskDefinition"),
        (definition(network_mode=""), "run.taskDefinition"),
        (definition(compatibilities=("EC2",)), "run.taskDefinition"),
        (definition(roles={"execution role": "arn:aws:iam::123456789012:role/admin"}), "run.taskDefinition"),
        (definition(containers=(replace(OCR, name="other"),)), "run.container"),
        (replace(FACTS, subnets=()), "run.subnets"),
        (replace(FACTS, security_groups={}), "run.securityGroups"),
        (replace(FACTS, security_groups={GROUP: "vpc-2"}), "run.securityGroups"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(facts: Facts, field: str) -> None:
    assert problems(facts) == [field]


def test_what_the_template_does_not_allow_is_refused_with_its_parameter() -> None:
    nothing = Allowed(
        region=HERE, input_buckets=frozenset(), output_buckets=frozenset(), families=frozenset(), roles=frozenset()
    )
    found = {one.field: one.problem for one in judge(PIPELINE, definition(roles={}), nothing).problems}
    assert "BatchInputBuckets: none" in found["input.bucket"]
    assert "BatchOutputBuckets: none" in found["output.bucket"]
    assert "BatchTaskDefinitions: none" in found["run.taskDefinition"]


def test_a_role_may_be_given_by_its_name() -> None:
    assert problems(definition(roles={"task role": "ocr-task"})) == []
    assert problems(definition(roles={"task role": "task"})) == ["run.taskDefinition"]


def test_subnets_must_be_in_one_vpc() -> None:
    second = Subnet(id="subnet-2", vpc_id="vpc-2", free_addresses=9)
    facts = replace(FACTS, subnets=(*FACTS.subnets, second))
    assert problems(facts, run(subnets=(SUBNET, "subnet-2"))) == ["run.subnets"]


def test_spot_needs_its_capacity_provider_and_time_to_stop() -> None:
    pipeline = replace(PIPELINE, spot_tries=2)
    assert problems(FACTS, pipeline) == ["spot.tries"]
    both = Cluster(name="batch", is_active=True, providers=("FARGATE", "FARGATE_SPOT"))
    short = replace(definition(containers=(replace(OCR, stop_timeout=30),)), cluster=both)
    assert problems(short, pipeline) == []
    assert warnings(short, pipeline) == ["spot.tries"]
    assert warnings(replace(FACTS, cluster=both), pipeline) == []


def test_a_worker_that_has_too_little_time_to_hand_back_is_warned_of() -> None:
    workers = replace(PIPELINE, run=replace(PIPELINE.run, contract=Contract.WORKER))
    short = definition(containers=(replace(OCR, stop_timeout=30),))
    assert (warnings(short, workers), warnings(short, PIPELINE)) == (["run.container"], [])
    assert warnings(FACTS, workers) == []


def test_a_container_with_a_limit_of_its_own_is_warned_of_since_a_larger_task_does_not_help_it() -> None:
    assert warnings(definition(containers=(replace(OCR, memory=512),)), PIPELINE) == ["run.container"]
    assert warnings(FACTS, PIPELINE) == []


def test_defaults_are_what_aws_has() -> None:
    pipeline = run(container="", subnets=(), security_groups=())
    judgement = judge(pipeline, FACTS, ALLOWED)
    assert (judgement.pipeline, judgement.problems) == (PIPELINE, ())
    side = Container(name="log", is_essential=False, stop_timeout=30)
    assert judge(pipeline, definition(containers=(side, OCR)), ALLOWED).pipeline.run.container == "ocr"
    two = definition(containers=(OCR, replace(side, is_essential=True)))
    assert problems(two, pipeline) == ["run.container"]
    assert problems(replace(FACTS, subnets=(), security_groups={}), pipeline) == ["run.subnets"]


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ("ocr", "ocr"),
        ("ocr:7", "ocr:7"),
        ("arn:aws:ecs:eu-central-1:123456789012:task-definition/ocr:7", "ocr:7"),
        ("arn:aws:ecs:eu-central-1:123456789012:task-definition/ocr", "ocr"),
    ],
)
def test_names_may_be_arns(given: str, resolved: str) -> None:
    pipeline = run(task_definition=given, cluster="arn:aws:ecs:eu-central-1:123456789012:cluster/batch")
    assert judge(pipeline, FACTS, ALLOWED).pipeline.run == replace(PIPELINE.run, task_definition=resolved)


def test_what_could_not_be_read_is_a_warning_unless_a_default_depends_on_it() -> None:
    fields = ("input.bucket", "output.bucket", "run.cluster", "run.securityGroups", "run.subnets", "run.taskDefinition")
    blind = Facts(unread=dict.fromkeys(fields, "AccessDenied"))
    assert problems(blind) == []
    assert warnings(blind) == sorted(fields)
    needing = run(container="", subnets=(), security_groups=())
    assert problems(blind, needing) == ["run.container", "run.subnets", "run.securityGroups"]


def test_warnings_of_what_may_go_wrong() -> None:
    assert warnings(replace(FACTS, subnets=(replace(FACTS.subnets[0], free_addresses=49),))) == ["limits.tasks"]
    public = replace(FACTS, subnets=(replace(FACTS.subnets[0], gives_public_ips=True),))
    assert warnings(public) == ["run.assignPublicIp"]
    assert warnings(public, run(assign_public_ip=True)) == []
    assert warnings(definition(containers=(replace(OCR, is_essential=False),))) == ["run.container"]
