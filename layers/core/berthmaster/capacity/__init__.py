"""A VPC never runs out of addresses: measure, forecast, add secondary CIDRs and wired subnets."""
