"""Who uses a network interface, by what DescribeNetworkInterfaces says about it."""

from collections.abc import Iterable, Mapping
from typing import Any

from berthmaster.capacity.model.holders import CANARIES, DETACHED
from berthmaster.interface_services import (
    EC2_INSTANCES,
    EKS_PODS_AND_NODES,
    KUBERNETES_TAGS,
    eks_cluster,
    service_by_description,
    service_by_type,
)

OTHER_AWS_SERVICES = "other AWS services"
OTHER = "others"

_BERTHMASTER_TAGS = "berthmaster:"

type Interface = Mapping[str, Any]
"""One entry of DescribeNetworkInterfaces."""


def cluster_of(interface: Interface) -> str:
    """The EKS cluster whose pods or node the interface belongs to; "" if no tag names it."""
    return eks_cluster({tag["Key"]: tag["Value"] for tag in interface.get("TagSet", ())})


def holder_of(interface: Interface) -> str:
    """The user of an interface, by the most reliable sign: type, requester, description, tags, attachment."""
    tags = interface.get("TagSet", ())
    if any(tag["Key"].startswith(_BERTHMASTER_TAGS) for tag in tags):
        return CANARIES
    if known := service_by_type(interface.get("InterfaceType", ""), interface.get("RequesterId", "")):
        return known
    managed_by_aws = interface.get("RequesterManaged", False)
    if interface.get("Status") == "available" and not managed_by_aws:
        return DETACHED
    return (
        service_by_description(interface.get("Description", ""))
        or _by_instance(interface, tags)
        or (OTHER_AWS_SERVICES if managed_by_aws else OTHER)
    )


def _by_instance(interface: Interface, tags: Iterable[Mapping[str, str]]) -> str:
    # Prefixes are assigned on request only, and only container networks request them.
    if interface.get("Ipv4Prefixes") or any(tag["Key"].startswith(KUBERNETES_TAGS) for tag in tags):
        return EKS_PODS_AND_NODES
    return EC2_INSTANCES if interface.get("Attachment", {}).get("InstanceId") else ""
