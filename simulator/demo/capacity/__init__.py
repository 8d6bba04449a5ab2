"""The demo's first act: a cluster outgrows its subnets, without Berthmaster and with it."""
