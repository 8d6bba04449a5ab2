"""Network interfaces as DescribeNetworkInterfaces returns them."""

from typing import Any


def interface(
    *addresses: str, prefixes: tuple[str, ...] = (), tags: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    return {
        "SubnetId": "subnet-a",
        "Status": "in-use",
        "InterfaceType": "interface",
        "RequesterManaged": False,
        "Description": "",
        "PrivateIpAddresses": [{"PrivateIpAddress": address} for address in addresses],
        "Ipv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in prefixes],
        "TagSet": [{"Key": key, "Value": "x"} for key in tags],
        **more,
    }
