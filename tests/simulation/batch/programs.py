"""What the tasks of a busy day run: a program whose behaviour stands in the file that it processes.

A file is `<kind> <seconds> <objects> <serial>`: how it ends, how long it takes, how many objects its result has, and a
number that no other file has. The objects say which task wrote them, so that a mixture of two attempts can be seen.
"""

from dataclasses import dataclass
from typing import Any, Self

from botocore.exceptions import ClientError

DONE, FAILED, REJECTED, NOTHING, LATER = 0, 1, 3, 4, 75
HOURS = 7200.0


@dataclass(frozen=True)
class Body:
    """The content of a file.

    kind: `good`; `rejected`, `nothing`: said by exit code; `later`, `flaky`: at first, and good the second time;
    `poison`: fails each time, having written a part of its result; `large`: needs more memory than the task definition
    gives; `endless`.
    """

    kind: str
    seconds: float
    objects: int
    serial: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Parse the content of an object."""
        kind, seconds, objects, serial = data.decode().split()
        return cls(kind, float(seconds), int(objects), int(serial))

    @property
    def data(self) -> bytes:
        """The content of the object."""
        return f"{self.kind} {self.seconds:.1f} {self.objects} {self.serial}".encode()

    def result(self, number: int, attempt: str, task: str) -> bytes:
        """One object of the result."""
        return f"object {number} of {self.serial} by attempt {attempt}, task {task}".encode()


def process(task: Any) -> int:
    """The program."""
    environment = task.environment
    version = environment["BERTHMASTER_INPUT_VERSION_ID"]
    pinned = {"VersionId": version} if version else {"IfMatch": environment["BERTHMASTER_INPUT_ETAG"]}
    try:
        found = task.s3.get_object(
            Bucket=environment["BERTHMASTER_INPUT_BUCKET"], Key=environment["BERTHMASTER_INPUT_KEY"], **pinned
        )
    except ClientError:
        # Deleted or overwritten meanwhile.
        return NOTHING
    body = Body.of(found["Body"].read())
    attempt = environment["BERTHMASTER_ATTEMPT"]
    if body.kind == "large":
        task.use_memory(600)
    for number in range(body.objects):
        task.sleep(HOURS if body.kind == "endless" else body.seconds / body.objects)
        if number == body.objects - 1 and (code := _ends_early(body.kind, int(attempt))):
            return code
        task.s3.put_object(
            Bucket=environment["BERTHMASTER_OUTPUT_BUCKET"],
            Key=f"{environment['BERTHMASTER_OUTPUT_PREFIX']}part-{number}.txt",
            Body=body.result(number, attempt, task.task.id),
        )
    return DONE


def _ends_early(kind: str, attempt: int) -> int:
    """The exit code of a task that does not come to its end, 0 for one that does."""
    if kind in {"flaky", "later"}:
        return (FAILED if kind == "flaky" else LATER) if attempt == 1 else DONE
    return {"rejected": REJECTED, "nothing": NOTHING, "poison": FAILED}.get(kind, DONE)
