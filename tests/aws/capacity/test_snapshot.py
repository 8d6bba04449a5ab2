"""Snapshots of the fleet and of one VPC, read from the simulator."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest
from botocore.exceptions import ClientError

from berthmaster.capacity.model.vpc import Mention, Quotas, Route, VpcSnapshot
from berthmaster.capacity.model.workloads import CallerKind
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.mentions import security_group_mentions
from berthmaster.capacity.observe.routing import PrefixLists
from berthmaster.capacity.observe.snapshot import read_fleet, read_vpc
from berthmaster.capacity.observe.unread import Unread
from berthmaster.clients import Clients
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from simulator.aws.ec2.ipam_resources import Discovered
from simulator.aws.ec2.routing import Unshared
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MANAGED = [{"Key": "berthmaster:capacity", "Value": "managed"}]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3, subnet_delay=0) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        yield cloud


def a_vpc(cloud: Cloud, cidr: str, *, managed: bool = True) -> str:
    tags: Any = [{"ResourceType": "vpc", "Tags": MANAGED}] if managed else []
    vpc_id: str = cloud.client("ec2").create_vpc(CidrBlock=cidr, TagSpecifications=tags)["Vpc"]["VpcId"]
    return vpc_id


def a_subnet(cloud: Cloud, vpc_id: str, cidr: str, zone: str = "a") -> str:
    subnet = cloud.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock=cidr, AvailabilityZone=f"eu-central-1{zone}")
    subnet_id: str = subnet["Subnet"]["SubnetId"]
    return subnet_id


def a_service(cloud: Cloud, cluster: str, name: str, subnets: list[str], *, desired: int = 4) -> None:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName=cluster)
    ecs.register_task_definition(
        family=name, networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
    )
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}}
    ecs.create_service(
        cluster=cluster,
        serviceName=name,
        taskDefinition=name,
        desiredCount=desired,
        tags=[{"key": "berthmaster:capacity", "value": "managed"}],
        **({"networkConfiguration": network} if subnets else {}),
    )


def the_fleet() -> dict[str, VpcSnapshot]:
    clients, failures = Clients(), Failures()
    snapshots = read_fleet(clients, NOW, Inventory(clients, CAPACITY_TABLE), failures)
    failures.raise_all("not everything was read")
    return {snapshot.vpc_id: snapshot for snapshot in snapshots}


def deny(cloud: Cloud, operation: str, code: str = "UnauthorizedOperation") -> None:
    def refuse(*_: Any) -> Any:
        raise AwsError(code, "no")

    cloud.handlers[operation] = refuse


def test_the_fleet_is_every_managed_vpc_and_no_other(cloud: Cloud) -> None:
    first, second = a_vpc(cloud, "10.0.0.0/16"), a_vpc(cloud, "10.0.0.0/16")
    a_vpc(cloud, "10.1.0.0/16", managed=False)
    subnet = a_subnet(cloud, first, "10.0.1.0/24")
    cloud.client("ec2").create_tags(Resources=[subnet], Tags=[{"Key": "Team", "Value": "web"}])

    snapshots = the_fleet()

    assert snapshots.keys() == {first, second}
    assert snapshots[second].subnets == ()
    (only,) = snapshots[first].subnets
    assert (only.id, only.cidr, only.free, only.zone) == (subnet, IPv4Network("10.0.1.0/24"), 251, "eu-central-1a")
    assert only.tags == {"Team": "web"}
    assert snapshots[first].cidrs == (IPv4Network("10.0.0.0/16"),)
    assert snapshots[first].taken_at == NOW
    assert snapshots[first].quotas == Quotas(cidrs_per_vpc=5, subnets_per_vpc=200, routes_per_table=50)
    assert snapshots[first].occupancy[subnet].free_prefixes == 14


def test_more_vpcs_than_a_filter_takes_are_read_in_parts(cloud: Cloud) -> None:
    vpcs = [a_vpc(cloud, "10.0.0.0/24") for _ in range(201)]
    subnets = {vpc: a_subnet(cloud, vpc, "10.0.0.0/26") for vpc in (vpcs[0], vpcs[200])}
    for subnet in subnets.values():
        cloud.client("ec2").create_network_interface(SubnetId=subnet)

    snapshots = the_fleet()

    assert snapshots.keys() == set(vpcs)
    assert all(snapshots[vpc].occupancy[subnet].interfaces == 1 for vpc, subnet in subnets.items())


def test_the_fleet_has_occupancy_services_and_reservations(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    subnet = a_subnet(cloud, vpc, "10.0.1.0/24")
    ec2 = cloud.client("ec2")
    for _ in range(3):
        ec2.create_network_interface(SubnetId=subnet, Ipv4PrefixCount=1)
    ec2.create_subnet_cidr_reservation(SubnetId=subnet, Cidr="10.0.1.128/27", ReservationType="explicit")
    a_service(cloud, "shop", "web", [subnet], desired=6)
    a_service(cloud, "shop", "host-mode", [])

    snapshot = the_fleet()[vpc]

    taken = {0, 15, 8, 9}
    for interface in ec2.describe_network_interfaces()["NetworkInterfaces"]:
        addresses = [interface["PrivateIpAddress"], *(one["Ipv4Prefix"][:-3] for one in interface["Ipv4Prefixes"])]
        taken |= {int(address.rpartition(".")[2]) // 16 for address in addresses}
    occupancy = snapshot.occupancy[subnet]
    assert (occupancy.interfaces, occupancy.held_prefixes) == (3, 3)
    assert occupancy.free_prefixes == 16 - len(taken)
    assert sum(occupancy.holders.values()) == 3 * 17 == snapshot.subnet(subnet).used
    assert [(one.cidr, one.kind) for one in snapshot.reservations] == [(IPv4Network("10.0.1.128/27"), "explicit")]
    (service,) = snapshot.services
    assert (service.cluster, service.name, service.subnet_ids) == ("shop", "web", (subnet,))
    assert (service.desired, service.managed, service.maximum_percent) == (6, True, 200)


def test_a_vpc_is_read_completely(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc, other = a_vpc(cloud, "10.0.0.0/16"), a_vpc(cloud, "172.20.0.0/16", managed=False)
    private, public = a_subnet(cloud, vpc, "10.0.1.0/24"), a_subnet(cloud, vpc, "10.0.2.0/24", "b")
    ec2.modify_subnet_attribute(SubnetId=public, MapPublicIpOnLaunch={"Value": True})
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other)["VpcPeeringConnection"]
    peering_id = peering["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering_id)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=private)
    prefix_list = ec2.create_managed_prefix_list(
        PrefixListName="on-premises",
        MaxEntries=10,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "192.168.4.0/22"}, {"Cidr": "192.168.8.0/22"}],
    )["PrefixList"]["PrefixListId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=prefix_list, VpcPeeringConnectionId=peering_id)
    theirs = ec2.create_route_table(VpcId=other)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=theirs, DestinationCidrBlock="10.0.0.0/16", VpcPeeringConnectionId=peering_id)
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
            {"IpProtocol": "tcp", "FromPort": 81, "ToPort": 81, "PrefixListIds": [{"PrefixListId": prefix_list}]},
        ],
    )
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    ec2.create_network_acl_entry(
        NetworkAclId=acl, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=False, CidrBlock="10.0.0.0/8"
    )

    snapshot = read_vpc(Clients(), vpc, NOW)

    assert {subnet.id for subnet in snapshot.subnets} == {private, public}
    assert snapshot.subnet(public).attributes.map_public_ip_on_launch
    by_id = {one.id: one for one in snapshot.route_tables}
    assert by_id[table].subnet_ids == (private,)
    assert set(by_id[table].routes) == {
        Route(destination=IPv4Network("0.0.0.0/0"), target=gateway),
        Route(destination=IPv4Network("192.168.4.0/22"), target=peering_id),
        Route(destination=IPv4Network("192.168.8.0/22"), target=peering_id),
    }
    assert [one.routes for one in snapshot.route_tables if one.main] == [()]
    assert [one.id == acl for one in snapshot.network_acls].count(True) == 1
    assert snapshot.peer_cidrs == (IPv4Network("172.20.0.0/16"),)
    assert not snapshot.pending_peering
    assert set(snapshot.mentions) == {
        Mention(where=f"security group {group} inbound tcp 80", cidr=IPv4Network("10.0.0.0/16")),
        Mention(where=f"security group {group} inbound tcp 81", cidr=IPv4Network("192.168.4.0/22")),
        Mention(where=f"security group {group} inbound tcp 81", cidr=IPv4Network("192.168.8.0/22")),
        Mention(where=f"network ACL {acl} inbound rule 100", cidr=IPv4Network("10.0.0.0/8")),
        Mention(where=f"route table {theirs} of {other}", cidr=IPv4Network("10.0.0.0/16")),
    }


def test_a_peering_request_is_pending_for_the_requester_only(cloud: Cloud) -> None:
    ours, theirs = a_vpc(cloud, "10.0.0.0/16"), a_vpc(cloud, "172.20.0.0/16")
    cloud.client("ec2").create_vpc_peering_connection(VpcId=ours, PeerVpcId=theirs)

    requester, accepter = (read_vpc(Clients(), vpc, NOW) for vpc in (ours, theirs))

    assert (requester.pending_peering, requester.peer_cidrs) == (True, ())
    assert (accepter.pending_peering, accepter.peer_cidrs) == (False, ())


def test_transit_gateway_routes_to_the_vpc_are_mentions(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc, other = a_vpc(cloud, "10.0.0.0/16"), a_vpc(cloud, "10.9.0.0/16", managed=False)
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    attachment = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=gateway, VpcId=vpc, SubnetIds=[a_subnet(cloud, vpc, "10.0.1.0/24")]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    transit = ec2.create_transit_gateway_route_table(TransitGatewayId=gateway)["TransitGatewayRouteTable"]
    transit_id = transit["TransitGatewayRouteTableId"]
    ec2.create_transit_gateway_route(
        DestinationCidrBlock="10.0.0.0/16",
        TransitGatewayRouteTableId=transit_id,
        TransitGatewayAttachmentId=attachment,
    )
    theirs = ec2.create_route_table(VpcId=other)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=theirs, DestinationCidrBlock="10.0.0.0/14", TransitGatewayId=gateway)

    mentions = read_vpc(Clients(), vpc, NOW).mentions

    assert set(mentions) >= {
        Mention(where=f"route table {theirs} of {other}", cidr=IPv4Network("10.0.0.0/14")),
        Mention(where=f"transit gateway route table {transit_id}", cidr=IPv4Network("10.0.0.0/16")),
    }


def test_services_rules_and_schedules_that_run_tasks_in_the_vpc_are_read(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    subnet, elsewhere = a_subnet(cloud, vpc, "10.0.1.0/24"), a_subnet(cloud, a_vpc(cloud, "10.5.0.0/16"), "10.5.1.0/24")
    for number in range(23):
        a_service(cloud, f"cluster-{number % 3}", f"service-{number}", [elsewhere if number == 7 else subnet])
    cluster = "arn:aws:ecs:eu-central-1:123456789012:cluster/cluster-0"
    task = "arn:aws:ecs:eu-central-1:123456789012:task-definition/service-0:1"
    events, scheduler = cloud.client("events"), cloud.client("scheduler")
    for name, where, tags in (("nightly", subnet, MANAGED), ("hourly", subnet, []), ("elsewhere", elsewhere, MANAGED)):
        events.put_rule(Name=name, ScheduleExpression="rate(1 day)", Tags=tags)
        network: dict[str, Any] = {"awsvpcConfiguration": {"Subnets": [where]}}
        target = {"Id": "1", "Arn": cluster, "RoleArn": "arn:aws:iam::123456789012:role/service-role/run"}
        ecs_parameters = {"TaskDefinitionArn": task, "NetworkConfiguration": network}
        events.put_targets(Rule=name, Targets=[{**target, "EcsParameters": ecs_parameters}])
    for group, tags in (("batch", MANAGED), ("private", [])):
        scheduler.create_schedule_group(Name=group, Tags=tags)
        for name, where in (("report", subnet), ("elsewhere", elsewhere)):
            scheduler.create_schedule(
                Name=name,
                GroupName=group,
                ScheduleExpression="rate(1 hour)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={
                    "Arn": cluster,
                    "RoleArn": "arn:aws:iam::123456789012:role/service-role/run",
                    "EcsParameters": {
                        "TaskDefinitionArn": task,
                        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": [where]}},
                    },
                },
            )

    snapshot = read_vpc(Clients(), vpc, NOW)

    assert {service.name for service in snapshot.services} == {f"service-{n}" for n in range(23) if n != 7}
    assert {(one.kind, one.group, one.name, one.target_id, one.managed) for one in snapshot.callers} == {
        (CallerKind.RULE, "default", "nightly", "1", True),
        (CallerKind.RULE, "default", "hourly", "1", False),
        (CallerKind.SCHEDULE, "batch", "report", "", True),
    }
    assert {one.subnet_ids for one in snapshot.callers} == {(subnet,)}
    assert {one.role for one in snapshot.callers} == {"service-role/run"}


def test_an_ipam_pool_is_read_if_one_is_configured(cloud: Cloud) -> None:
    pool = cloud.ipam.create_pool("10.64.0.0/12")
    vpc = a_vpc(cloud, "10.0.0.0/16")

    with_pool, without = read_vpc(Clients(), vpc, NOW, ipam_pool=pool), read_vpc(Clients(), vpc, NOW)

    assert with_pool.ipam is not None
    assert with_pool.ipam.provisioned == (IPv4Network("10.64.0.0/12"),)
    assert without.ipam is None


def test_the_allocation_rules_of_an_ipam_pool_are_read(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    pool = cloud.ipam.create_pool("10.64.0.0/12", largest=20, smallest=24, tags={"Owner": "net"})
    ipam = read_vpc(Clients(), vpc, NOW, ipam_pool=pool).ipam
    assert ipam is not None
    assert (ipam.shortest, ipam.longest, ipam.required_tags) == (20, 24, {"Owner": "net"})


def test_a_pool_for_another_region_or_one_that_is_not_ready_gives_nothing(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    elsewhere = cloud.ipam.create_pool("10.64.0.0/12", locale="eu-west-1")
    new = cloud.ipam.create_pool("10.96.0.0/12")
    cloud.ipam.pool(new).state = "create-in-progress"
    found = [read_vpc(Clients(), vpc, NOW, ipam_pool=pool).ipam for pool in (elsewhere, new)]
    assert [one and one.problem for one in found] == [
        "the pool's locale is eu-west-1",
        "the pool is in the state create-in-progress",
    ]


def test_the_rules_of_a_shared_pool_need_not_be_readable(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    pool = cloud.ipam.create_pool("10.64.0.0/12", largest=20)
    deny(cloud, "ec2:DescribeIpamPools", "UnauthorizedOperation")
    ipam = read_vpc(Clients(), vpc, NOW, ipam_pool=pool).ipam
    assert ipam is not None
    assert (ipam.provisioned, ipam.shortest) == ((IPv4Network("10.64.0.0/12"),), 0)


@pytest.mark.usefixtures("cloud")
def test_a_vpc_that_is_gone_is_missing_evidence() -> None:
    with pytest.raises(MissingEvidence, match="vpc-0a1b2c3d4e5f60718 does not exist"):
        read_vpc(Clients(), "vpc-0a1b2c3d4e5f60718", NOW)


@pytest.mark.parametrize(
    "operation",
    [
        "ec2:DescribeSubnets",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRouteTables",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeVpcPeeringConnections",
        "ecs:ListClusters",
    ],
)
def test_an_error_is_raised_if_a_plan_would_be_unsafe_without_the_answer(cloud: Cloud, operation: str) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    deny(cloud, operation)

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        read_vpc(Clients(), vpc, NOW)


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "RequestLimitExceeded"])
@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("ec2:DescribeTransitGatewayVpcAttachments", "transit gateways"),
        ("ec2:DescribeSecurityGroups", "security groups"),
        ("ec2:DescribeIpamScopes", "VPCs in IPAM"),
        ("eks:ListClusters", "EKS clusters"),
        ("eks:DescribeCluster", "EKS clusters"),
    ],
)
def test_of_what_only_leads_to_warnings_the_rest_is_read_and_the_plan_says_so(
    cloud: Cloud, operation: str, what: str, code: str
) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    a_cluster(cloud, a_subnet(cloud, vpc, "10.0.0.0/24"))
    deny(cloud, operation, code)

    snapshot = read_vpc(Clients(), vpc, NOW)

    (unread,) = snapshot.unread
    assert unread.startswith(f"{what}: ")
    assert code in unread


def test_quotas_that_cannot_be_read_are_unknown(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    deny(cloud, "service-quotas:GetServiceQuota")

    assert read_vpc(Clients(), vpc, NOW).quotas == Quotas()


def test_other_vpcs_that_cannot_be_read_are_not_known(cloud: Cloud) -> None:
    vpc, _ = a_vpc(cloud, "10.0.0.0/16"), a_vpc(cloud, "10.9.0.0/16")
    refuse_if(cloud, "ec2:DescribeVpcs", "RequestLimitExceeded", lambda params: not params.get("Filters"))

    snapshot = read_vpc(Clients(), vpc, NOW)

    assert snapshot.neighbours == ()
    assert [one.partition(":")[0] for one in snapshot.unread] == ["other VPCs"]


def test_a_read_for_warnings_ends_when_there_is_no_time_for_its_next_page(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    ec2 = cloud.client("ec2")
    for number in range(3):
        group = ec2.create_security_group(GroupName=f"group-{number}", Description="x", VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    unread = Unread(lambda: len(cloud.calls.named("ec2:DescribeSecurityGroups")) < 1)

    found = unread.read("security groups", security_group_mentions(ec2, vpc, PrefixLists(ec2, unread)))

    assert len(found) == 1
    assert unread.reasons == ("security groups: no time left in this invocation",)


def a_cluster(cloud: Cloud, subnet: str, name: str = "shop", **more: Any) -> None:
    cloud.client("eks").create_cluster(
        name=name,
        roleArn="arn:aws:iam::123456789012:role/eks",
        resourcesVpcConfig={"subnetIds": [subnet]},
        **more,
    )


def test_ranges_of_the_vpcs_own_eks_clusters_are_read(cloud: Cloud) -> None:
    vpc, other = a_vpc(cloud, "10.0.0.0/16"), a_vpc(cloud, "10.1.0.0/16")
    hybrid = {"remoteNodeNetworks": [{"cidrs": ["10.80.0.0/16"]}], "remotePodNetworks": [{"cidrs": ["10.85.0.0/16"]}]}
    a_cluster(cloud, a_subnet(cloud, vpc, "10.0.0.0/24"), remoteNetworkConfig=hybrid)
    services = {"serviceIpv4Cidr": "10.200.0.0/16"}
    a_cluster(cloud, a_subnet(cloud, other, "10.1.0.0/24"), "elsewhere", kubernetesNetworkConfig=services)

    assert read_vpc(Clients(), vpc, NOW).cluster_cidrs == (
        Mention(where="services of EKS cluster shop", cidr=IPv4Network("172.20.0.0/16")),
        Mention(where="hybrid nodes of EKS cluster shop", cidr=IPv4Network("10.80.0.0/16")),
        Mention(where="pods on hybrid nodes of EKS cluster shop", cidr=IPv4Network("10.85.0.0/16")),
    )


def test_vpcs_of_other_accounts_are_known_from_ipam_beside_the_accounts_own(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    discovered = cloud.state(Discovered)
    discovered.add(vpc, "10.0.0.0/16")
    discovered.add("vpc-0f1e2d3c4b5a69788", "100.64.0.0/20")

    assert read_vpc(Clients(), vpc, NOW).neighbours == (IPv4Network("100.64.0.0/20"), IPv4Network("172.31.0.0/16"))


def test_of_a_route_table_its_gateway_its_size_and_its_unread_lists_are_read(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = a_vpc(cloud, "10.0.0.0/16")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    lists = [
        ec2.create_managed_prefix_list(
            PrefixListName=name, MaxEntries=9, AddressFamily="IPv4", Entries=[{"Cidr": "10.9.0.0/16"}]
        )["PrefixList"]["PrefixListId"]
        for name in ("shared", "unshared")
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, GatewayId=gateway)
    for one in lists:
        ec2.create_route(RouteTableId=table, DestinationPrefixListId=one, GatewayId=gateway)
    cloud.state(Unshared).add(lists[1])

    snapshot = read_vpc(Clients(), vpc, NOW)

    (read,) = (one for one in snapshot.route_tables if one.id == table)
    assert (read.gateway_ids, read.unread_lists) == ((gateway,), (lists[1],))
    assert (read.size, [one.destination for one in read.routes]) == (2, [IPv4Network("10.9.0.0/16")])
    assert [one.partition(":")[0] for one in snapshot.unread] == [f"prefix list {lists[1]}"]


def test_a_quota_that_was_never_changed_has_the_default_of_aws(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    deny(cloud, "service-quotas:GetServiceQuota", "NoSuchResourceException")

    assert read_vpc(Clients(), vpc, NOW).quotas == Quotas(cidrs_per_vpc=5, subnets_per_vpc=200, routes_per_table=50)


def refuse_if(cloud: Cloud, operation: str, code: str, applies: Callable[[Any], bool]) -> None:
    """AWS refuses those calls of an operation."""
    usual = cloud.handlers.get(operation)

    def handler(account: Any, params: Any) -> Any:
        if applies(params):
            raise AwsError(code, "no")
        return usual(account, params) if usual else None

    cloud.handlers[operation] = handler


def test_vpcs_whose_interfaces_cannot_be_read_are_missing_and_the_others_are_there(cloud: Cloud) -> None:
    vpcs = [a_vpc(cloud, f"10.{number}.0.0/16") for number in range(8)]
    refuse_if(cloud, "ec2:DescribeNetworkInterfaces", "InternalError", lambda params: vpcs[2] in str(params))
    failures = Failures()
    clients = Clients()
    snapshots = read_fleet(clients, NOW, Inventory(clients, CAPACITY_TABLE), failures)
    assert len(failures) == 1
    found = {snapshot.vpc_id for snapshot in snapshots}
    assert vpcs[2] not in found
    assert len(found) >= 6


def test_a_cluster_a_rule_and_a_group_of_schedules_that_are_deleted_while_they_are_read_are_left_out(
    cloud: Cloud,
) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    subnet = a_subnet(cloud, vpc, "10.0.0.0/24")
    for cluster in ("gone", "here"):
        a_service(cloud, cluster, f"service-{cluster}", [subnet])
    scheduler = cloud.client("scheduler")
    scheduler.create_schedule_group(Name="gone", Tags=MANAGED)
    refuse_if(
        cloud, "ecs:DescribeServices", "ClusterNotFoundException", lambda params: params["cluster"].endswith("gone")
    )
    refuse_if(cloud, "scheduler:ListSchedules", "ResourceNotFoundException", lambda _: True)
    snapshot = read_vpc(Clients(), vpc, NOW)
    assert [service.name for service in snapshot.services] == ["service-here"]


def test_a_prefix_list_in_a_security_group_that_is_no_longer_shared_prevents_no_plan(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    ec2 = cloud.client("ec2")
    listed = ec2.create_managed_prefix_list(
        PrefixListName="office", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "10.9.0.0/16"}]
    )["PrefixList"]["PrefixListId"]
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": listed}]}
        ],
    )
    deny(cloud, "ec2:GetManagedPrefixListEntries", "InvalidPrefixListID.NotFound")
    assert read_vpc(Clients(), vpc, NOW).mentions == ()


def test_of_an_ipam_pool_that_cannot_be_read_the_reason_is_known(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    ipam = read_vpc(Clients(), vpc, NOW, ipam_pool="ipam-pool-0a1b2c3d4e5f60718").ipam
    assert ipam is not None
    assert (ipam.provisioned, ipam.problem) == ((), "the pool cannot be read: InvalidIpamPoolId.NotFound")


def test_a_vpc_for_which_no_time_is_left_is_not_read_in_part(cloud: Cloud) -> None:
    vpc = a_vpc(cloud, "10.0.0.0/16")
    a_service(cloud, "web", "shop", [a_subnet(cloud, vpc, "10.0.0.0/24")])
    with pytest.raises(TimeoutError):
        read_vpc(Clients(), vpc, NOW, may_begin=lambda: False)
