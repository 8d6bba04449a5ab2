"""What makes one result of one file, and keeps overlapping functions apart, taken away one at a time.

That events are believed without `detail.version` is not among them, since no day can notice it: the number of the
launch and the state of the file decide first. A RUNNING event is believed only of the launch that the file has, and
only while the file is `launching` or `starting`; until then no event of that launch was believed, so any version is
newer than the one that is known. STOPPED is believed whatever its version is, since nothing follows it. What this rests
on, that a launch never goes back in the ledger, is judged at every write of every day (`went back`), and the days whose
files overwrite what they have not read break it.

That tasks have tags is proved by `test_ghosts.py`: one day in some dozens has a task that no file has and that does not
end by itself.
"""

import json
from itertools import count

from tests.simulation.mutations import Change, Mutation, Params, unconditional

PUT, UPDATE, GET, QUERY = (f"dynamodb:{name}" for name in ("PutItem", "UpdateItem", "GetItem", "Query"))
TRANSACT, SEND = "dynamodb:TransactWriteItems", "sqs:SendMessageBatch"
LONG_AGO = "2020-01-01T00:00:00+00:00"
RUN_TASK, PUT_OBJECT, LIST_OBJECTS = "ecs:RunTask", "s3:PutObject", "s3:ListObjectsV2"
OUTPUT = "BERTHMASTER_OUTPUT_PREFIX"

_tokens = count()
_leases: dict[str, str] = {}
"""By file, that of the last claim that a worker has tried to write."""


def new_token(params: Params) -> Params:
    """Every request of a task has a token of its own."""
    return {**params, "clientToken": f"{params['clientToken']}-{next(_tokens)}"}


def shared_prefix(params: Params) -> Params:
    """All launches of a file write in one place."""
    (container,) = params["overrides"]["containerOverrides"]
    environment = [
        {**one, "value": _without_number(one["value"])} if one["name"] == OUTPUT else one
        for one in container["environment"]
    ]
    overrides = {**params["overrides"], "containerOverrides": [{**container, "environment": environment}]}
    return {**params, "overrides": overrides}


def listing_shared_prefix(params: Params) -> Params:
    """And what is there is the result of each."""
    return {**params, "Prefix": _without_number(params["Prefix"])} if "/attempts/" in params["Prefix"] else params


def _without_number(prefix: str) -> str:
    return f"{prefix.rstrip('/').rpartition('/')[0]}/"


def without(*names: str) -> Change:
    """A request that leaves parameters out."""
    return lambda params: {name: value for name, value in params.items() if name not in names}


def not_counting(params: Params) -> Params:
    """Nothing is in flight."""
    if params.get("Select") != "COUNT":
        return params
    values = {**params["ExpressionAttributeValues"], ":place": {"S": "nothing"}}
    return {**params, "ExpressionAttributeValues": values}


def not_intending(params: Params) -> Params:
    """What is about to be launched is written as waiting still."""
    item = params["Item"]
    if not item["pk"]["S"].startswith("file "):
        return params
    file = json.loads(item["body"]["S"])
    if file["state"] != "launching":
        return params
    body = json.dumps({**file, "state": "waiting"})
    place = item["place"]["S"].replace("in flight", "waiting")
    return {**params, "Item": {**item, "body": {"S": body}, "place": {"S": place}}}


def not_seeing_a_pause(params: Params) -> Params:
    """The switch is not read."""
    key = params["Key"]
    return {**params, "Key": {**key, "sk": {"S": "none"}}} if key["pk"]["S"] == "switch" else params


# What keeps workers apart


def not_raising(params: Params) -> Params:
    """Each claim of a file has the number of the one before."""
    if not params["Key"]["pk"]["S"].startswith("file "):
        return params
    values = {**params["ExpressionAttributeValues"], ":none": {"N": "1"}, ":one": {"N": "0"}}
    return {**params, "ExpressionAttributeValues": values}


def noting_leases(params: Params) -> Params:
    """A claim as it is, whose lease others get to know."""
    if params["Key"]["pk"]["S"].startswith("file "):
        _leases[params["Key"]["sk"]["S"]] = params["ExpressionAttributeValues"][":claim"]["M"]["lease"]["S"]
    return params


def with_the_last_lease(params: Params) -> Params:
    """Whoever reports a file has its claim, as if leases were not compared."""
    return {**params, "Entries": [{**one, "MessageBody": _relet(one["MessageBody"])} for one in params["Entries"]]}


def _relet(body: str) -> str:
    message = json.loads(body)
    detail = message["detail"]
    return json.dumps({**message, "detail": {**detail, "lease": _leases.get(detail["file"], detail["lease"])}})


def not_seeing_workers(params: Params) -> Params:
    """No worker is read that is launched or runs."""
    values = params["ExpressionAttributeValues"]
    if values[":pk"]["S"] != "task workers" or params.get("IndexName") != "by_place":
        return params
    return {**params, "ExpressionAttributeValues": {**values, ":place": {"S": "nothing"}}}


def silent_for_long(params: Params) -> Params:
    """What a worker has shown last was shown an hour ago."""
    item = params["Item"]
    if item["pk"]["S"] != "heartbeats":
        return params
    body = json.loads(item["body"]["S"])
    seen = {worker: (guid, LONG_AGO) for worker, (guid, _) in body.get("seen", {}).items()}
    return {**params, "Item": {**item, "body": {"S": json.dumps({**body, "seen": seen})}}}


MUTATIONS = (
    Mutation("client tokens are not used again", {RUN_TASK: new_token}, "again", seed=6),
    Mutation(
        "all launches of a file write in one place",
        {RUN_TASK: shared_prefix, LIST_OBJECTS: listing_shared_prefix},
        "the result of",
        seed=2,
    ),
    Mutation("manifests are written over", {PUT_OBJECT: without("IfNoneMatch")}, "wrote the manifest", seed=8),
    Mutation("what is in flight is not counted", {QUERY: not_counting}, "whose limit is", seed=0),
    Mutation("launches are not written down before", {PUT: not_intending}, "which is waiting", seed=2),
    Mutation("the switch is not read", {GET: not_seeing_a_pause}, "during a pause", seed=0),
    Mutation("everybody launches", {UPDATE: unconditional("dispatcher")}, "of another invocation", seed=3),
    Mutation("a file overwrites what it has not read", {PUT: unconditional("file ")}, "that it had not read", seed=2),
    Mutation("a launch goes back in the ledger", {PUT: unconditional("file ")}, "went back", seed=2),
    Mutation("claims are written over", {UPDATE: unconditional("file ")}, "had claimed", seed=7, of_programs=True),
    Mutation(
        "claims have the number of the one before", {UPDATE: not_raising}, "with the number", seed=2, of_programs=True
    ),
    Mutation(
        "leases are not compared",
        {UPDATE: noting_leases, SEND: with_the_last_lease},
        "BatchFollowFunction released",
        seed=7,
        of_programs=True,
    ),
    Mutation("workers are not counted", {QUERY: not_seeing_workers}, "whose limit is", seed=2),
    Mutation("a late heartbeat is a death", {PUT: silent_for_long}, "whose worker works on", seed=7),
    Mutation("tasks are booked again", {TRANSACT: unconditional("bill ")}, "were booked", seed=2),
)
