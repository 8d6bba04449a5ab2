"""Traffic that no flow log shows.

Source: "Flow log limitations" of the VPC User Guide.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from simulator.aws.ec2.flow_logs.packets import UDP

if TYPE_CHECKING:
    from simulator.aws.ec2.flow_logs.packets import Packets

LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fd00:ec2::/32"))
"""Instance metadata, time, DNS and Windows licences."""
DHCP = {67, 68, 546, 547}
DNS = 53


@lru_cache(maxsize=1 << 14)
def _is_link_local(address: str) -> bool:
    parsed = ip_address(address)
    return any(parsed in block for block in LINK_LOCAL if block.version == parsed.version)


def is_logged(packets: Packets, router: str, resolver: str) -> bool:
    """Whether a flow log records these packets.

    router: the address of the default router in the subnet. resolver: that of Amazon's DNS server in the VPC.
    """
    ends = {packets.source, packets.destination}
    if any(_is_link_local(address) for address in ends) or router in ends:
        return False
    ports = {packets.source_port, packets.destination_port}
    if packets.protocol == UDP and ports & DHCP:
        return False
    return not (DNS in ports and resolver in ends)
