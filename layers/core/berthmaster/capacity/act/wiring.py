"""What new subnets get from their siblings: route table, network ACL, attributes and prefix reservations."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from berthmaster.capacity.act.attempt import RETRY_DELAY, Attempt, NotYet
from berthmaster.capacity.act.subnets import CreatedSubnet, own_subnets
from berthmaster.errors import Refused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SubnetTypeDef


class SubnetWiring:
    """The writes that connect new subnets. Each checks first whether its effect is there."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ec2 = attempt.clients.ec2

    def wire(self, created: Sequence[CreatedSubnet]) -> None:
        """Give each subnet its route table, network ACL, attributes and prefix reservations."""
        ids = [one.id for one in created]
        tables, acls = self._route_tables(ids), self._acl_associations(ids)
        # A subnet that EC2 does not show yet is taken for what a new one is.
        attributes = {subnet["SubnetId"]: subnet for subnet in own_subnets(self._attempt).values()}
        for one in created:
            if not _has_table(one, tables):
                self._associate_table(one)
            if not _has_acl(one, acls):
                self._replace_acl(one, acls)
            self._set_attributes(one, attributes.get(one.id, {}))
            self._reserve(one)

    def verify(self, created: Sequence[CreatedSubnet]) -> None:
        """Refused if a subnet keeps another route table or network ACL than planned; NotYet without time to look."""
        if not self._attempt.has_time:
            raise NotYet("no time is left in this invocation", RETRY_DELAY)
        deviations: list[Refused] = []

        def is_as_planned() -> bool:
            deviations[:] = self._deviations(created)
            return not deviations

        if not self._attempt.becomes(is_as_planned):
            raise deviations[0]

    def _deviations(self, created: Sequence[CreatedSubnet]) -> Iterator[Refused]:
        ids = [one.id for one in created]
        tables, acls = self._route_tables(ids), self._acl_associations(ids)
        for one in created:
            if not _has_table(one, tables):
                table = tables.get(one.id) or "the main route table"
                yield Refused("AssociateRouteTable", "NotAsPlanned", f"{one.id} uses {table}")
            if not _has_acl(one, acls):
                acl = acls[one.id][1] if one.id in acls else "no network ACL"
                yield Refused("ReplaceNetworkAclAssociation", "NotAsPlanned", f"{one.id} has {acl}")

    def _associate_table(self, one: CreatedSubnet) -> None:
        with self._attempt.write("AssociateRouteTable", lambda: _has_table(one, self._route_tables([one.id]))):
            self._ec2.associate_route_table(RouteTableId=one.planned.route_table_id, SubnetId=one.id)

    def _replace_acl(self, one: CreatedSubnet, seen: Mapping[str, tuple[str, str]]) -> None:
        """Replace the association that the subnet came with; NotYet as long as EC2 does not show it."""
        shown = dict(seen)

        def is_shown() -> bool:
            if one.id not in shown:
                shown.update(self._acl_associations([one.id]))
            return one.id in shown

        if not self._attempt.becomes(is_shown):
            raise NotYet(f"EC2 does not show the network ACL of {one.id}", RETRY_DELAY)
        with self._attempt.write(
            "ReplaceNetworkAclAssociation", lambda: _has_acl(one, self._acl_associations([one.id]))
        ):
            self._ec2.replace_network_acl_association(
                AssociationId=shown[one.id][0], NetworkAclId=one.planned.network_acl_id
            )

    def _set_attributes(self, one: CreatedSubnet, current: "SubnetTypeDef | Mapping[str, Any]") -> None:
        wanted, dns = one.planned.attributes, current.get("PrivateDnsNameOptionsOnLaunch", {})
        # ModifySubnetAttribute takes one attribute per call.
        changes: list[dict[str, Any]] = []
        if wanted.map_public_ip_on_launch != current.get("MapPublicIpOnLaunch", False):
            changes.append({"MapPublicIpOnLaunch": {"Value": wanted.map_public_ip_on_launch}})
        if wanted.enable_dns64 != current.get("EnableDns64", False):
            changes.append({"EnableDns64": {"Value": wanted.enable_dns64}})
        if wanted.private_dns_hostname_type != dns.get("HostnameType", "ip-name"):
            changes.append({"PrivateDnsHostnameTypeOnLaunch": wanted.private_dns_hostname_type})
        if wanted.resource_name_dns_a_record != dns.get("EnableResourceNameDnsARecord", False):
            changes.append({"EnableResourceNameDnsARecordOnLaunch": {"Value": wanted.resource_name_dns_a_record}})
        if wanted.resource_name_dns_aaaa_record != dns.get("EnableResourceNameDnsAAAARecord", False):
            changes.append({"EnableResourceNameDnsAAAARecordOnLaunch": {"Value": wanted.resource_name_dns_aaaa_record}})
        if wanted.assign_ipv6_address_on_creation != current.get("AssignIpv6AddressOnCreation", False):
            changes.append({"AssignIpv6AddressOnCreation": {"Value": wanted.assign_ipv6_address_on_creation}})
        for change in changes:
            with self._attempt.write("ModifySubnetAttribute"):
                self._ec2.modify_subnet_attribute(SubnetId=one.id, **change)

    def _reserve(self, one: CreatedSubnet) -> None:
        for cidr in one.planned.prefix_reservations:
            if not self._is_reserved(one, cidr):
                with self._attempt.write("CreateSubnetCidrReservation", partial(self._is_reserved, one, cidr)):
                    self._ec2.create_subnet_cidr_reservation(
                        SubnetId=one.id,
                        Cidr=str(cidr),
                        ReservationType="prefix",
                        Description=self._attempt.expansion_id,
                    )

    def _is_reserved(self, one: CreatedSubnet, cidr: IPv4Network) -> bool:
        answer = self._ec2.get_subnet_cidr_reservations(SubnetId=one.id)
        return any(reservation["Cidr"] == str(cidr) for reservation in answer["SubnetIpv4CidrReservations"])

    def _route_tables(self, subnet_ids: Sequence[str]) -> Mapping[str, str]:
        """The ids of associated route tables, by subnet; nothing for subnets that use the main one."""
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
        """The ids of the association and of the network ACL, by subnet."""
        pages = self._ec2.get_paginator("describe_network_acls").paginate(
            Filters=[{"Name": "association.subnet-id", "Values": list(subnet_ids)}]
        )
        return {
            association["SubnetId"]: (association["NetworkAclAssociationId"], association["NetworkAclId"])
            for page in pages
            for acl in page["NetworkAcls"]
            for association in acl["Associations"]
        }


def _has_table(one: CreatedSubnet, tables: Mapping[str, str]) -> bool:
    return tables.get(one.id, "") == one.planned.route_table_id


def _has_acl(one: CreatedSubnet, acls: Mapping[str, tuple[str, str]]) -> bool:
    return not one.planned.network_acl_id or (one.id in acls and acls[one.id][1] == one.planned.network_acl_id)
