"""What keeps overlapping functions of capacity apart."""

from tests.simulation.mutations import Mutation, unconditional

NO_LEASE = {"dynamodb:UpdateItem": unconditional("lease")}

MUTATIONS = (
    Mutation("the lease of a VPC is given to everybody", NO_LEASE, "of another invocation", seed=8),
    Mutation(
        "without a lease, an expansion overwrites what it has not read",
        NO_LEASE | {"dynamodb:PutItem": unconditional("expansion")},
        "that it had not read",
        seed=8,
    ),
)
