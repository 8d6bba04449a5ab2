"""What the programs of tasks have done, judged call by call as IAM would, and more narrowly.

IAM knows the role of a pipeline's tasks. What it cannot see is judged as well: a worker writes no record of another
worker, and no object but those of a claim that it has, or has had.
"""

from collections.abc import Callable, Iterator

from simulator.aws.ecs.task import Task
from simulator.calls import WORKLOAD, Call
from tests.simulation.batch.call_invariants import OWN
from tests.simulation.batch.claim_invariants import CLAIMED, ClaimInvariants
from tests.simulation.batch.day import Day, Source
from tests.support.batch.scene import RESULTS

READS = frozenset({"s3:GetObject", "s3:HeadObject"})
WRITES = frozenset(
    f"s3:{name}"
    for name in (
        "PutObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
    )
)
OTHER_CLAUSES = ("REMOVE", "ADD", "DELETE")


class ProgramPolicy:
    """Knows the tasks of a day from now on."""

    def __init__(self, day: Day, claims: ClaimInvariants) -> None:
        self._day = day
        self._claims = claims
        self._tasks: dict[str, Task] = {}
        day.cloud.tasks.watchers.append(lambda task: self._tasks.setdefault(task.id, task))

    def broken(self) -> Iterator[str]:
        """The calls that were not allowed, in sentences."""
        for call in self._day.cloud.calls.of(WORKLOAD):
            task = self._tasks.get(call.request_id)
            if task is not None and not self._allows(task, call):
                yield f"task {task.id} of {task.group} may not {call} {call.params}"

    def _allows(self, task: Task, call: Call) -> bool:
        source = self._day.source(task.environment["BERTHMASTER_PIPELINE"])
        if call.name in READS:
            return _may_read(source, call)
        if call.name in WRITES:
            return self._may_write(source, task, call)
        worker = task.environment.get("BERTHMASTER_WORKER")
        allowed: dict[str, Callable[[], bool]] = {
            "dynamodb:Query": lambda: (
                call.params["IndexName"] == "by_place"
                and _is_of_files(source, call.params["ExpressionAttributeValues"][":pk"]["S"])
            ),
            "dynamodb:GetItem": lambda: (
                _is_of_files(source, pk := call.params["Key"]["pk"]["S"]) or pk == f"worker {source.name}"
            ),
            "dynamodb:UpdateItem": lambda: (
                (call.params["Key"]["pk"]["S"], call.params["Key"]["sk"]["S"]) == (f"worker {source.name}", worker)
                or (_is_of_files(source, call.params["Key"]["pk"]["S"]) and _written(call) <= CLAIMED)
            ),
            "sqs:SendMessageBatch": lambda: call.params["QueueUrl"] == task.environment["BERTHMASTER_RESULT_QUEUE"],
            "sqs:SendMessage": lambda: call.params["QueueUrl"] == task.environment["BERTHMASTER_RESULT_QUEUE"],
        }
        return worker is not None and call.name in allowed and allowed[call.name]()

    def _may_write(self, source: Source, task: Task, call: Call) -> bool:
        if call.params["Bucket"] != RESULTS:
            return False
        key, given = call.params["Key"], task.environment
        if "BERTHMASTER_WORKER" not in given:
            return bool(key.startswith(given["BERTHMASTER_OUTPUT_PREFIX"]))
        claims = self._claims.workers[given["BERTHMASTER_WORKER"]].claims
        return any(key.startswith(f"{source.name}/{OWN}attempts/{one.file}/{one.fence}/") for one in claims)


def _may_read(source: Source, call: Call) -> bool:
    bucket, key = call.params["Bucket"], call.params["Key"]
    is_input = bucket == source.bucket and key.startswith(source.prefix) and key.endswith(source.suffix)
    return is_input or (bucket == RESULTS and key.startswith(f"{source.name}/{OWN}attempts/"))


def _is_of_files(source: Source, partition: str) -> bool:
    return partition.startswith(f"file {source.name} ")


def _written(call: Call) -> set[str]:
    """The attributes that an update changes."""
    names, update = call.params.get("ExpressionAttributeNames", {}), call.params["UpdateExpression"]
    assigned = (one.partition("=")[0].split()[-1] for one in update.split(",") if "=" in one)
    others = {one for one in OTHER_CLAUSES if one in update.split()}
    return {names.get(one, one) for one in assigned} | others
