"""The test of a new subnet: an interface that is created in it and deleted again."""

from collections.abc import Iterable, Iterator

from botocore.exceptions import ClientError

from berthmaster.capacity.act.attempt import Attempt, tag_list
from berthmaster.capacity.model.tags import EXPANSION_TAG
from berthmaster.errors import code_of

DESCRIPTION = "Berthmaster canary: tests whether an interface can be created in a new subnet"


class Canary:
    """The interfaces by which an expansion tests its subnets."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ec2 = attempt.clients.ec2

    def prove(self, subnet_ids: Iterable[str]) -> Iterator[str]:
        """Create an interface in each subnet and delete it, and yield the subnet; Refused if that is not possible."""
        self.sweep()
        for subnet_id in subnet_ids:
            self._delete(self._create(subnet_id))
            yield subnet_id
        self.sweep()

    def sweep(self) -> None:
        """Delete the interfaces that are left.

        An attempt that died leaves one; a call that the SDK repeated creates two, and only the second is known.
        """
        pages = self._ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": f"tag:{EXPANSION_TAG}", "Values": [self._attempt.expansion_id]}]
        )
        for interface_id in [one["NetworkInterfaceId"] for page in pages for one in page["NetworkInterfaces"]]:
            self._delete(interface_id)

    def _create(self, subnet_id: str) -> str:
        with self._attempt.write("CreateNetworkInterface"):
            answer = self._ec2.create_network_interface(
                SubnetId=subnet_id,
                Description=DESCRIPTION,
                TagSpecifications=[{"ResourceType": "network-interface", "Tags": tag_list(self._attempt.tag)}],
            )
        return answer["NetworkInterface"]["NetworkInterfaceId"]

    def _delete(self, interface_id: str) -> None:
        # Its own test interface it may delete in a VPC that is not managed any more, and late.
        self._attempt.switch.check()
        try:
            self._ec2.delete_network_interface(NetworkInterfaceId=interface_id)
        except ClientError as error:
            if code_of(error) != "InvalidNetworkInterfaceID.NotFound":
                raise
