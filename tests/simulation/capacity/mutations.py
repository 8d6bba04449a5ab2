"""What keeps overlapping functions of capacity apart, and what bounds what they do to services."""

import json

from tests.simulation.mutations import Mutation, Params, unconditional


def forgetting_messages(params: Params) -> Params:
    """Nothing is known of the copies of a message: neither that one is worked on, nor that one waits."""
    if params["Key"]["pk"]["S"] != "lease" or not params["Key"]["sk"]["S"].startswith("message "):
        return params
    values = params["ExpressionAttributeValues"]
    forgotten = {":resumes": {"N": "0"}} if ":resumes" in values else {}
    return unconditional("lease")({**params, "ExpressionAttributeValues": {**values, **forgotten}})


def forgetting_updates(params: Params) -> Params:
    """No record says that a service was updated before."""
    item = params["Item"]
    if item["pk"]["S"] != "expansion":
        return params
    record = json.loads(item["body"]["S"])
    record["updates"] = [{**one, "called_at": None} if one["state"] != "called" else one for one in record["updates"]]
    return {**params, "Item": {**item, "body": {"S": json.dumps(record)}}}


def without_subnets(params: Params) -> Params:
    """An update of a service leaves its subnets as they are."""
    return {name: value for name, value in params.items() if name != "networkConfiguration"}


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
    Mutation(
        "what became of updates is forgotten", {"dynamodb:PutItem": forgetting_updates}, "twice within a day", seed=39
    ),
    Mutation("services do not get the new subnets", {"ecs:UpdateService": without_subnets}, "beside subnets", seed=13),
)
