"""EC2: VPCs, subnets, network interfaces and their addresses, routing, IPAM."""
