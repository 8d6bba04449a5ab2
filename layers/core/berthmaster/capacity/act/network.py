"""The writes of an expansion to the network. Each finds out first whether its effect is already there."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.capacity.model import EXPANSION_TAG, BlockSource, NewBlock, NewSubnet
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError, Refused, code_of, refusal_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import SubnetTypeDef

POLL_SECONDS = 3
USABLE = frozenset({"associating", "associated"})
PATIENCE = timedelta(seconds=30)
"""How long one invocation waits for AWS before the queue takes over."""
CANARY = "Berthmaster canary: proves that an interface fits in a new subnet"


class NotYet(BerthmasterError):
    """AWS is still at it: carry the expansion on in `seconds`."""

    def __init__(self, what: str, seconds: int) -> None:
        super().__init__(what)
        self.seconds = seconds


class InUse(BerthmasterError):
    """An expansion that somebody uses is not undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A planned subnet and what AWS made of it."""

    planned: NewSubnet
    id: str


class NetworkSteps:
    """EC2 writes for the expansion with that id in that VPC."""

    def __init__(self, ec2: "EC2Client", clock: Clock, *, vpc_id: str, expansion_id: str, deadline: datetime) -> None:
        self._ec2 = ec2
        self._clock = clock
        self._vpc_id = vpc_id
        self._expansion_id = expansion_id
        self._give_up_at = min(clock.now() + PATIENCE, deadline - timedelta(seconds=15))

    # The block

    def associate(self, block: NewBlock, known: str) -> str:
        """Have the block associated, or adopt the association a dead run left; returns its id, known or found."""
        found = self._own_association(block, known)
        if found:
            return found
        request: dict[str, Any] = (
            {"Ipv4IpamPoolId": block.ipam_pool_id, "Ipv4NetmaskLength": block.cidr.prefixlen}
            if block.source is BlockSource.IPAM
            else {"CidrBlock": str(block.cidr)}
        )
        with effective("AssociateVpcCidrBlock", lambda: bool(self._own_association(block, known))):
            answer = self._ec2.associate_vpc_cidr_block(VpcId=self._vpc_id, **request)
            return answer["CidrBlockAssociation"]["AssociationId"]
        return self._own_association(block, known)

    def await_association(self, association_id: str) -> IPv4Network:
        """The block once it is usable; Refused if AWS gave up on it."""
        while True:
            found = next((one for one in self._associations() if one["AssociationId"] == association_id), None)
            state = found["CidrBlockState"] if found else {"State": "associating"}
            if found and state["State"] == "associated":
                return IPv4Network(found["CidrBlock"])
            if state["State"] != "associating":
                raise Refused("AssociateVpcCidrBlock", state["State"], state.get("StatusMessage", ""))
            self._pause(f"{association_id} is associating")

    def disassociate(self, association_id: str) -> None:
        """Give the block back; done already if the VPC has it no more."""
        if association_id in self._states(USABLE):
            with effective("DisassociateVpcCidrBlock", lambda: association_id not in self._states(USABLE)):
                self._ec2.disassociate_vpc_cidr_block(AssociationId=association_id)

    # The subnets

    def create_subnets(self, planned: Sequence[NewSubnet]) -> list[Made]:
        """Create what a dead run has not, and wait until all are available."""
        found = self._own_subnets()
        for subnet in planned:
            if subnet.cidr not in found:
                self._create_subnet(subnet)
        while True:
            found = self._own_subnets()
            if all(subnet.cidr in found and found[subnet.cidr]["State"] == "available" for subnet in planned):
                return [Made(planned=subnet, id=found[subnet.cidr]["SubnetId"]) for subnet in planned]
            self._pause("subnets are pending")

    def _create_subnet(self, subnet: NewSubnet) -> None:
        tags = {**subnet.tags, EXPANSION_TAG: self._expansion_id}
        with effective("CreateSubnet", lambda: subnet.cidr in self._own_subnets()):
            self._ec2.create_subnet(
                VpcId=self._vpc_id,
                CidrBlock=str(subnet.cidr),
                AvailabilityZone=subnet.zone,
                TagSpecifications=[{"ResourceType": "subnet", "Tags": _pairs(tags)}],
            )

    def delete_subnets(self, subnet_ids: Iterable[str]) -> None:
        """Delete them; InUse if anything has moved in."""
        for subnet_id in subnet_ids:
            try:
                self._ec2.delete_subnet(SubnetId=subnet_id)
            except ClientError as error:
                if code_of(error) == "DependencyViolation":
                    raise InUse(f"{subnet_id} is in use") from error
                if code_of(error) != "InvalidSubnetID.NotFound":
                    raise

    def own_subnet_ids(self) -> list[str]:
        """The subnets that exist of this expansion."""
        return sorted(subnet["SubnetId"] for subnet in self._own_subnets().values())

    def interfaces_in(self, subnet_ids: Sequence[str]) -> list[str]:
        """The interfaces that use these subnets."""
        if not subnet_ids:
            return []
        pages = self._ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "subnet-id", "Values": list(subnet_ids)}]
        )
        return [one["NetworkInterfaceId"] for page in pages for one in page["NetworkInterfaces"]]

    # What they borrow from their siblings

    def wire_subnets(self, made: Sequence[Made]) -> None:
        """Give each subnet its route table, network ACL, attributes and prefix reservations."""
        ids = [one.id for one in made]
        tables, acls = self._route_tables(ids), self._acl_associations(ids)
        attributes = {subnet["SubnetId"]: subnet for subnet in self._own_subnets().values()}
        for one in made:
            if not _has_table(one, tables):
                self._associate_table(one)
            if not _has_acl(one, acls):
                self._replace_acl(one, acls[one.id][0])
            self._set_attributes(one, attributes[one.id])
            self._reserve(one)

    def _associate_table(self, made: Made) -> None:
        with effective("AssociateRouteTable", lambda: _has_table(made, self._route_tables([made.id]))):
            self._ec2.associate_route_table(RouteTableId=made.planned.route_table_id, SubnetId=made.id)

    def _replace_acl(self, made: Made, association_id: str) -> None:
        with effective("ReplaceNetworkAclAssociation", lambda: _has_acl(made, self._acl_associations([made.id]))):
            self._ec2.replace_network_acl_association(
                AssociationId=association_id, NetworkAclId=made.planned.network_acl_id
            )

    def _set_attributes(self, made: Made, current: "SubnetTypeDef") -> None:
        wanted, dns = made.planned.attributes, current.get("PrivateDnsNameOptionsOnLaunch", {})
        # ModifySubnetAttribute takes one attribute a call.
        changes: list[dict[str, Any]] = []
        if wanted.map_public_ip_on_launch != current.get("MapPublicIpOnLaunch", False):
            changes.append({"MapPublicIpOnLaunch": {"Value": wanted.map_public_ip_on_launch}})
        if wanted.enable_dns64 != current.get("EnableDns64", False):
            changes.append({"EnableDns64": {"Value": wanted.enable_dns64}})
        if wanted.private_dns_hostname_type != dns.get("HostnameType", "ip-name"):
            changes.append({"PrivateDnsHostnameTypeOnLaunch": wanted.private_dns_hostname_type})
        if wanted.resource_name_dns_a_record != dns.get("EnableResourceNameDnsARecord", False):
            changes.append({"EnableResourceNameDnsARecordOnLaunch": {"Value": wanted.resource_name_dns_a_record}})
        for change in changes:
            with refusal_of("ModifySubnetAttribute"):
                self._ec2.modify_subnet_attribute(SubnetId=made.id, **change)

    def _reserve(self, made: Made) -> None:
        for cidr in made.planned.prefix_reservations:
            if not self._is_reserved(made, cidr):
                with effective("CreateSubnetCidrReservation", partial(self._is_reserved, made, cidr)):
                    self._ec2.create_subnet_cidr_reservation(
                        SubnetId=made.id, Cidr=str(cidr), ReservationType="prefix", Description=self._expansion_id
                    )

    # The proof

    def verify(self, made: Sequence[Made]) -> None:
        """Routes and ACL are as planned, and an interface can be created and deleted in each subnet."""
        ids = [one.id for one in made]
        tables, acls = self._route_tables(ids), self._acl_associations(ids)
        for one in made:
            if not _has_table(one, tables):
                raise Refused(
                    "AssociateRouteTable", "NotAsPlanned", f"{one.id} uses {tables.get(one.id) or 'the main'}"
                )
            if not _has_acl(one, acls):
                raise Refused("ReplaceNetworkAclAssociation", "NotAsPlanned", f"{one.id} has {acls[one.id][1]}")
        self.sweep()
        for one in made:
            self._try_interface(one)
        self.sweep()

    def _try_interface(self, made: Made) -> None:
        tags = _pairs({EXPANSION_TAG: self._expansion_id})
        with refusal_of("CreateNetworkInterface"):
            answer = self._ec2.create_network_interface(
                SubnetId=made.id,
                Description=CANARY,
                TagSpecifications=[{"ResourceType": "network-interface", "Tags": tags}],
            )
        self._delete_interface(answer["NetworkInterface"]["NetworkInterfaceId"])

    def admit(self, made: Sequence[Made]) -> None:
        """Let pods and services in: until now nobody but Berthmaster took the subnets for usable."""
        for one in made:
            with refusal_of("CreateTags"):
                self._ec2.create_tags(Resources=[one.id], Tags=_pairs(one.planned.admission_tags))

    def sweep(self) -> None:
        """Delete canaries that a dead run left, or the first of two that the SDK's second try made."""
        pages = self._ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": f"tag:{EXPANSION_TAG}", "Values": [self._expansion_id]}]
        )
        for interface_id in [one["NetworkInterfaceId"] for page in pages for one in page["NetworkInterfaces"]]:
            self._delete_interface(interface_id)

    def _delete_interface(self, interface_id: str) -> None:
        try:
            self._ec2.delete_network_interface(NetworkInterfaceId=interface_id)
        except ClientError as error:
            if code_of(error) != "InvalidNetworkInterfaceID.NotFound":
                raise

    # Reads that make the writes safe

    def _own_association(self, block: NewBlock, known: str) -> str:
        for association in self._associations():
            if association["AssociationId"] == known:
                return known
            if _is_ours(association, block) and association["CidrBlockState"]["State"] in USABLE:
                return str(association["AssociationId"])
        return ""

    def _states(self, states: Collection[str]) -> set[str]:
        """The ids of the associations in one of these states."""
        return {one["AssociationId"] for one in self._associations() if one["CidrBlockState"]["State"] in states}

    def _is_reserved(self, made: Made, cidr: IPv4Network) -> bool:
        answer = self._ec2.get_subnet_cidr_reservations(SubnetId=made.id)
        return any(one["Cidr"] == str(cidr) for one in answer["SubnetIpv4CidrReservations"])

    def _associations(self) -> Sequence[Any]:
        return self._ec2.describe_vpcs(VpcIds=[self._vpc_id])["Vpcs"][0]["CidrBlockAssociationSet"]

    def _own_subnets(self) -> Mapping[IPv4Network, "SubnetTypeDef"]:
        pages = self._ec2.get_paginator("describe_subnets").paginate(
            Filters=[
                {"Name": "vpc-id", "Values": [self._vpc_id]},
                {"Name": f"tag:{EXPANSION_TAG}", "Values": [self._expansion_id]},
            ]
        )
        return {IPv4Network(one["CidrBlock"]): one for page in pages for one in page["Subnets"]}

    def _route_tables(self, subnet_ids: Sequence[str]) -> Mapping[str, str]:
        pages = self._ec2.get_paginator("describe_route_tables").paginate(
            Filters=[{"Name": "association.subnet-id", "Values": list(subnet_ids)}]
        )
        return {
            association["SubnetId"]: association["RouteTableId"]
            for page in pages
            for table in page["RouteTables"]
            for association in table["Associations"]
            if "SubnetId" in association
        }

    def _acl_associations(self, subnet_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        pages = self._ec2.get_paginator("describe_network_acls").paginate(
            Filters=[{"Name": "association.subnet-id", "Values": list(subnet_ids)}]
        )
        return {
            association["SubnetId"]: (association["NetworkAclAssociationId"], association["NetworkAclId"])
            for page in pages
            for acl in page["NetworkAcls"]
            for association in acl["Associations"]
        }

    def _pause(self, what: str) -> None:
        if self._clock.now() + timedelta(seconds=POLL_SECONDS) >= self._give_up_at:
            raise NotYet(what, seconds=15)
        self._clock.sleep(POLL_SECONDS)


@contextmanager
def effective(operation: str, is_done: Callable[[], bool]) -> Iterator[None]:
    """One write, refused only if its effect is not there all the same.

    The SDK repeats a call whose answer was lost; these calls have no ClientToken, so the second try collides with the
    effect of the first.
    """
    try:
        with refusal_of(operation):
            yield
    except Refused:
        if not is_done():
            raise


def _has_table(made: Made, tables: Mapping[str, str]) -> bool:
    return tables.get(made.id, "") == made.planned.route_table_id


def _has_acl(made: Made, acls: Mapping[str, tuple[str, str]]) -> bool:
    return not made.planned.network_acl_id or acls[made.id][1] == made.planned.network_acl_id


def _is_ours(association: Mapping[str, Any], block: NewBlock) -> bool:
    """The planned block; or, since IPAM chooses itself, one of its length that was not there when it was planned."""
    cidr = IPv4Network(association["CidrBlock"])
    if block.source is BlockSource.IPAM:
        return cidr.prefixlen == block.cidr.prefixlen and cidr not in block.beside
    return cidr == block.cidr


def _pairs(tags: Mapping[str, str]) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
