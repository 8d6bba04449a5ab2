"""Who makes rules: controllers, infrastructure as code, people."""

from datetime import UTC, datetime

import pytest

from berthmaster.security_groups.model.origins import RecordedOrigin
from berthmaster.security_groups.model.removals import Origin
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.plan.controllers import controller_of
from berthmaster.security_groups.plan.origins import origin_of, origin_of_caller
from tests.support.security_groups.small_universe import tcp

RULE = tcp("sgr-1", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("group", "controller"),
    [
        (Group(id="sg-a", tags=(("elbv2.k8s.aws/cluster", "prod"),)), "AWS Load Balancer Controller"),
        (Group(id="sg-a", tags=(("ingress.k8s.aws/stack", "shop/web"),)), "AWS Load Balancer Controller"),
        (Group(id="sg-a", tags=(("service.k8s.aws/stack", "shop/web"),)), "AWS Load Balancer Controller"),
        (Group(id="sg-a", tags=(("kubernetes.io/cluster/prod", "owned"),)), "Kubernetes"),
        (Group(id="sg-a", tags=(("aws:eks:cluster-name", "prod"),)), "Amazon EKS"),
        (Group(id="sg-a", name="ElasticMapReduce-master"), "Amazon EMR"),
        (Group(id="sg-a", name="d-9067012345_controllers"), "AWS Directory Service"),
        (Group(id="sg-a", name="FMManagedSecurityGroup0a1b2c3d"), "AWS Firewall Manager"),
        (Group(id="sg-a", name="aws-cloud9-ide-0a1b2c3d"), "AWS Cloud9"),
        (Group(id="sg-a", name="d-day", tags=(("team", "kubernetes.io/cluster/prod"),)), ""),
        (Group(id="sg-a", name="our-ElasticMapReduce-clients"), ""),
        (None, ""),
    ],
)
def test_controllers_are_known_by_tags_and_names_of_their_groups(group: Group | None, controller: str) -> None:
    assert controller_of(RULE, group) == controller


@pytest.mark.parametrize(
    ("description", "controller"),
    [
        ("elbv2.k8s.aws/targetGroupBinding=shared", "AWS Load Balancer Controller"),
        ("kubernetes.io/rule/nlb/health=a1b2", "Kubernetes"),
        ("for elbv2.k8s.aws/targetGroupBinding=shared", ""),
    ],
)
def test_controllers_are_known_by_descriptions_of_rules_in_groups_of_others(description: str, controller: str) -> None:
    assert controller_of(tcp("sgr-1", "10.0.0.0/8", description=description), Group(id="sg-a")) == controller


@pytest.mark.parametrize(
    ("agent", "origin"),
    [
        ("APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.15", Origin.IAC),
        ("APN/1.0 Pulumi/1.0 Pulumi/3.200 aws-sdk-go-v2/1.39", Origin.IAC),
        ("Boto3/1.40 Botocore/1.40 APN/1.0 Ansible/2.19 amazon.aws/10.1", Origin.IAC),
        ("cloudformation.amazonaws.com", Origin.CLOUDFORMATION),
        ("Boto3/1.40.4 cloudformation.amazonaws.com", Origin.CLOUDFORMATION),
        ("console.ec2.amazonaws.com", Origin.PEOPLE),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", Origin.PEOPLE),
        ("aws-cli/2.31.6 md/awscrt#0.27.6", Origin.PEOPLE),
        ("Boto3/1.40.4 md/Botocore#1.40.4", Origin.UNKNOWN),
        ("elbv2.k8s.aws/v2.14.0 aws-sdk-go-v2/1.39.2", Origin.UNKNOWN),
        ("", Origin.UNKNOWN),
    ],
)
def test_who_made_a_call_is_known_by_its_user_agent(agent: str, origin: Origin) -> None:
    assert origin_of_caller(agent) is origin


def test_what_a_session_of_the_console_does_people_did() -> None:
    assert origin_of_caller("AWS Internal", is_console=True) is Origin.PEOPLE


def recorded(**origins: Origin) -> dict[str, RecordedOrigin]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        name.replace("_", "-"): RecordedOrigin(id=name.replace("_", "-"), origin=one, at=at)
        for name, one in origins.items()
    }


@pytest.mark.parametrize(
    ("tags", "known", "origin"),
    [
        ((), {}, Origin.UNKNOWN),
        ((), recorded(sg_a=Origin.IAC), Origin.IAC),
        ((), recorded(sg_a=Origin.IAC, sgr_1=Origin.PEOPLE), Origin.PEOPLE),
        ((("aws:cloudformation:stack-name", "web"),), recorded(sgr_1=Origin.PEOPLE), Origin.CLOUDFORMATION),
        ((("ManagedBy", "terraform"),), recorded(sgr_1=Origin.PEOPLE), Origin.IAC),
        ((("ManagedBy", "ann"),), {}, Origin.UNKNOWN),
        ((("iac", "whatever"),), {}, Origin.IAC),
    ],
)
def test_tags_say_who_makes_a_rule_and_else_who_made_it_or_its_group(
    tags: tuple[tuple[str, str], ...], known: dict[str, RecordedOrigin], origin: Origin
) -> None:
    iac_tags = (("ManagedBy", "terraform"), ("iac", ""))
    assert origin_of(RULE, Group(id="sg-a", tags=tags), known, iac_tags) is origin
    assert origin_of(tcp("sgr-1", "10.0.0.0/8", tags=tags), None, known, iac_tags) is origin
