"""Who uses a group, as its interfaces show it."""

from __future__ import annotations

import pytest

from berthmaster.security_groups.model.documentation import Tier, User
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.model.topology import Interface, Span, Topology
from berthmaster.security_groups.plan.users import user_of
from berthmaster.security_groups.plan.users_of_groups import documented_groups

ATTACHMENT = "arn:aws:ecs:eu-central-1:123456789012:attachment/0a1b2c3d-1111-2222-3333-444455556666"
LAMBDA = "AWS Lambda VPC ENI-orders-nightly-30bb1fd5-e726-4d80-9ff2-52fd62cd548c"
ECS = (("aws:ecs:clusterName", "shop"), ("aws:ecs:serviceName", "web"))


@pytest.mark.parametrize(
    ("shown", "user"),
    [
        ({"description": ATTACHMENT, "tags": ECS}, User("ECS service", "web", "ECS shop", Tier.COMPUTE)),
        ({"description": ATTACHMENT, "tags": ECS[:1]}, User("ECS tasks", "shop", "ECS shop", Tier.COMPUTE)),
        ({"description": ATTACHMENT}, User("ECS tasks", "", "ECS tasks", Tier.COMPUTE)),
        (
            {"description": "ELB app/web/50dc6c495c0c9188", "requester": "amazon-elb"},
            User("Application Load Balancer", "web", "load balancers", Tier.ENTRY),
        ),
        (
            {"description": "ELB net/tcp/50dc6c495c0c9188", "kind": "network_load_balancer"},
            User("Network Load Balancer", "tcp", "load balancers", Tier.ENTRY),
        ),
        ({"description": "ELB old-one"}, User("Classic Load Balancer", "old-one", "load balancers", Tier.ENTRY)),
        ({"description": LAMBDA, "kind": "lambda"}, User("Lambda function", "orders-nightly", "Lambda", Tier.COMPUTE)),
        ({"description": "RDSNetworkInterface"}, User("RDS", "", "RDS", Tier.DATA)),
        ({"description": "ElastiCache web-001"}, User("ElastiCache node", "web-001", "ElastiCache", Tier.DATA)),
        (
            {"description": "EFS mount target for fs-0a1b2c3d (fsmt-0a1b2c3d)"},
            User("EFS file system", "fs-0a1b2c3d", "EFS", Tier.DATA),
        ),
        (
            {"description": "VPC Endpoint Interface vpce-0a1b2c3d", "kind": "vpc_endpoint"},
            User("VPC endpoint", "vpce-0a1b2c3d", "VPC endpoints", Tier.DATA),
        ),
        ({"description": "Amazon EKS prod"}, User("EKS control plane", "prod", "EKS prod", Tier.COMPUTE)),
        (
            {"description": "aws-K8S-i-0ad23684d897727a0", "tags": (("cluster.k8s.amazonaws.com/name", "prod"),)},
            User("EKS pods and nodes", "prod", "EKS prod", Tier.COMPUTE),
        ),
        ({"description": "aws-k8s-branch-eni"}, User("EKS pods and nodes", "", "EKS", Tier.COMPUTE)),
        (
            {"instance": "i-1", "tags": (("Name", "bastion"),)},
            User("EC2 instance", "bastion", "EC2 instances", Tier.COMPUTE),
        ),
        ({"instance": "i-1"}, User("EC2 instance", "i-1", "EC2 instances", Tier.COMPUTE)),
        (
            {"instance": "i-1", "tags": (("kubernetes.io/cluster/prod", "owned"),)},
            User("EKS pods and nodes", "prod", "EKS prod", Tier.COMPUTE),
        ),
        ({"description": "my own"}, User("others", "my own", "others", Tier.COMPUTE)),
        ({}, User("others", "", "others", Tier.COMPUTE)),
    ],
    ids=str,
)
def test_the_user_of_an_interface_is_named(shown: dict[str, object], user: User) -> None:
    assert user_of(Interface(id="eni-1", vpc="vpc-1", **shown)) == user  # type: ignore[arg-type]


def test_a_group_has_the_users_of_today_or_those_that_it_had_before() -> None:
    def held(id_: str, description: str, *groups: str, until: float = float("inf")) -> tuple[Span[Interface], ...]:
        return (Span(Interface(id=id_, vpc="vpc-1", groups=groups, description=description), until=until),)

    topology = Topology(
        groups={id_: Group(id=id_) for id_ in ("sg-1", "sg-2", "sg-3")},
        interfaces={
            "eni-1": held("eni-1", "ELB app/web/1", "sg-1"),
            "eni-2": held("eni-2", "ELB app/web/1", "sg-1"),
            "eni-3": held("eni-3", "RDSNetworkInterface", "sg-1"),
            "eni-4": held("eni-4", "RDSNetworkInterface", "sg-1", "sg-2", until=50),
        },
    )
    one, before, never = documented_groups(topology, 100)
    assert [(user.kind, count) for user, count in one.users] == [("Application Load Balancer", 2), ("RDS", 1)]
    assert (one.interfaces, one.tier) == (3, Tier.ENTRY)
    assert [(user.kind, count) for user, count in before.users] == [("RDS", 0)]
    assert (before.interfaces, never.users, never.tier) == (0, (), Tier.UNATTACHED)
