"""Groups without an interface: whatever names them is found, and what cannot be read makes nothing certain."""

from collections.abc import Iterator
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.security_groups.model.references import References
from berthmaster.security_groups.model.rules import Group, PrefixListReference
from berthmaster.security_groups.observe.ec2_shapes import SecurityGroupRule, described, rule_of
from berthmaster.security_groups.observe.references import read_references
from berthmaster.security_groups.observe.referrers import REFERRERS
from berthmaster.security_groups.observe.stale_references import read_stale
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.stale_rules import stale_rules
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.security_groups.referrers import Referrers


def always() -> bool:
    return True


def read(scene: Referrers) -> References:
    return read_references(Clients(), sorted(scene.groups.values()), always)


def named(scene: Referrers) -> dict[str, tuple[str, ...]]:
    """What names each group, by its name."""
    found = read(scene)
    assert found.unread == ()
    return {name: found.by_group[id_] for name, id_ in scene.groups.items() if id_ in found.by_group}


@pytest.fixture
def scene() -> Iterator[Referrers]:
    with Cloud(seed=7, subnet_delay=0) as cloud:
        ec2 = cloud.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        yield Referrers(cloud, vpc, ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"])


def test_launch_templates_in_every_version_that_is_used(scene: Referrers) -> None:
    scene.launch_templates()
    assert named(scene) == {
        "version 1": ("launch template nodes version 1",),
        "version 2": ("launch template nodes version 2, used by Auto Scaling group web",),
        "version 3": ("launch template nodes version 3, used by Auto Scaling group mixed",),
        "version 4": ("launch template nodes version 4, used by EKS node group spot of k8s",),
        "version 6": ("launch template nodes version 6, used by Auto Scaling group mixed",),
        "configuration": ("launch configuration ancient",),
    }
    assert read(scene).by_group["by name"] == ("launch template old version 1",)


def test_what_runs_containers(scene: Referrers) -> None:
    scene.containers()
    assert named(scene) == {
        "files": ("pipeline ocr",),
        "service": ("ECS service web of shop",),
        "rule": ("EventBridge rule nightly",),
        "schedule": ("schedule default/task",),
        "sdk": ("schedule default/api",),
        "machine": ("state machine orders",),
        "batch": ("Batch compute environment jobs",),
    }


def test_functions_clusters_databases_caches_and_builds(scene: Referrers) -> None:
    scene.others()
    assert named(scene) == {
        "cluster": ("EKS cluster apps",),
        "instance": ("database instance orders",),
        "aurora": ("database cluster graph",),
        "cache": ("ElastiCache cluster sessions",),
        "build": ("CodeBuild project release",),
        "function": ("Lambda function hook",),
        "published": ("Lambda function hook version 3",),
    }


def test_rules_of_a_peered_vpc_name_a_group_even_if_another_group_was_just_deleted(scene: Referrers) -> None:
    peer = scene.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    peering = scene.ec2.create_vpc_peering_connection(VpcId=scene.vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    scene.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])
    there = scene.ec2.create_security_group(GroupName="there", Description="there", VpcId=peer)["GroupId"]
    ours, gone = scene.group("ours"), scene.group("gone")
    pair = {"GroupId": ours, "VpcPeeringConnectionId": peering["VpcPeeringConnectionId"]}
    scene.ec2.authorize_security_group_ingress(
        GroupId=there, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [pair]}]
    )
    scene.ec2.delete_security_group(GroupId=gone)
    assert named(scene) == {"ours": (f"rules in {peer}",)}


def test_what_cannot_be_read_is_named_and_everything_else_is_read(scene: Referrers) -> None:
    def denied(*_: object) -> dict[str, Any]:
        raise AwsError("AccessDeniedException", "not authorized")

    scene.cloud.handlers["lambda:ListFunctions"] = denied
    scene.cloud.handlers["ec2:DescribeFleets"] = denied
    ecs = scene.cloud.client("ecs")
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(
        family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
    )
    ecs.create_service(
        cluster="shop", serviceName="web", taskDefinition="web", networkConfiguration=scene.network("service")
    )
    found = read(scene)
    assert found.unread == (
        ("launch templates", "AccessDeniedException"),
        ("Lambda functions", "AccessDeniedException"),
    )
    assert found.by_group == {scene.groups["service"]: ("ECS service web of shop",)}
    assert {*found.looked_at, "launch templates", "Lambda functions"} == {*REFERRERS, "rules of other VPCs"}


def test_without_time_nothing_is_certain(scene: Referrers) -> None:
    scene.group("any")
    found = read_references(Clients(), [], lambda: False)
    assert (found.looked_at, found.by_group) == ((), {})
    assert {reason for _, reason in found.unread} == {"there was no time left"}


def test_rules_that_name_what_is_gone(scene: Referrers) -> None:
    peer = scene.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    peering = scene.ec2.create_vpc_peering_connection(VpcId=scene.vpc, PeerVpcId=peer)["VpcPeeringConnection"][
        "VpcPeeringConnectionId"
    ]
    scene.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    gone, there = (
        scene.ec2.create_security_group(GroupName=name, Description=name, VpcId=peer)["GroupId"]
        for name in ("gone", "there")
    )
    ours = scene.group("ours")
    pairs = [{"GroupId": group, "VpcPeeringConnectionId": peering} for group in (gone, there)]
    scene.ec2.authorize_security_group_ingress(
        GroupId=ours,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": pairs}],
    )
    scene.ec2.authorize_security_group_egress(
        GroupId=ours,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": pairs[1:]}],
    )
    scene.ec2.delete_security_group(GroupId=gone)

    def stale_now() -> dict[str, str]:
        now = Present(
            rules=tuple(
                rule_of(one)
                for one in described(
                    SecurityGroupRule, scene.ec2.describe_security_group_rules()["SecurityGroupRules"], "rules"
                )
            ),
            groups={there: Group(id=there), ours: Group(id=ours)},
        )
        lists = {one.peer.prefix_list for one in now.rules if isinstance(one.peer, PrefixListReference)}
        stale = read_stale(scene.ec2, [scene.vpc, peer, "vpc-00000000000000000"], {*lists, "pl-gone"}, always)
        assert stale.unread == ()
        assert stale.prefix_lists == {"pl-gone"}
        by_id = {one.id: one for one in now.rules}
        return {f"{by_id[one.rule].direction} {one.names}": one.why.split(";")[0] for one in stale_rules(now, stale)}

    where = f"in {peer} through {peering}"
    deleted = "EC2 calls it stale: the group is deleted, or its VPC not peered"
    assert stale_now() == {f"ingress {gone} {where}": deleted}
    scene.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    apart = "EC2 calls it stale: there is no peering to its VPC any more"
    assert stale_now() == {
        f"ingress {gone} {where}": deleted,
        f"ingress {there} {where}": apart,
        f"egress {there} {where}": apart,
    }
