"""What keeps overlapping functions of targets apart."""

from tests.simulation.mutations import Mutation, asking, hidden, unconditional

WRITE, READ = "dynamodb:TransactWriteItems", "dynamodb:BatchGetItem"
NOT_READ = "that it had not read"

MUTATIONS = (
    Mutation("a claim overwrites what it has not read", {WRITE: unconditional("claim#")}, NOT_READ, seed=4),
    Mutation("a fence overwrites what it has not read", {WRITE: unconditional("fence#")}, NOT_READ, seed=4),
    Mutation(
        "fences are not read", {READ: hidden("fence#"), WRITE: unconditional("fence#")}, "which gets traffic", seed=15
    ),
    Mutation(
        "the lease of the reconciliation is given to everybody",
        {"dynamodb:UpdateItem": unconditional("lease")},
        "of another invocation",
        seed=4,
    ),
    Mutation(
        "deployments in progress are not seen",
        {"ecs:ListServiceDeployments": asking(status=["SUCCESSFUL"])},
        "where no wanted task runs",
        seed=3,
    ),
)
