"""What keeps overlapping functions of capacity apart."""

from tests.simulation.mutations import Mutation, Params, unconditional


def forgetting_messages(params: Params) -> Params:
    """Nothing is known of the copies of a message: neither that one is worked on, nor that one waits."""
    if params["Key"]["pk"]["S"] != "lease" or not params["Key"]["sk"]["S"].startswith("message "):
        return params
    values = params["ExpressionAttributeValues"]
    forgotten = {":resumes": {"N": "0"}} if ":resumes" in values else {}
    return unconditional("lease")({**params, "ExpressionAttributeValues": {**values, **forgotten}})


NO_LEASE = {"dynamodb:UpdateItem": unconditional("lease")}

MUTATIONS = (
    Mutation("the lease of a VPC is given to everybody", NO_LEASE, "of another invocation", seed=8),
    Mutation(
        "without a lease, an expansion overwrites what it has not read",
        NO_LEASE | {"dynamodb:PutItem": unconditional("expansion")},
        "that it had not read",
        seed=8,
    ),
    Mutation(
        "copies of a message that waits are not known",
        {"dynamodb:UpdateItem": forgetting_messages},
        "messages after",
        seed=12,
    ),
)
