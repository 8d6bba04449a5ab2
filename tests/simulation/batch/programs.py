"""What the tasks of a busy day run: a program whose behaviour stands in the file that it processes.

A file is `<kind> <seconds> <objects> <serial>`: how it ends, how long it takes, how many objects its result has, and a
number that no other file has. The objects say which task wrote them, so that a mixture of two attempts can be seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from botocore.exceptions import ClientError

from simulator.workload.workers import Job

DONE, FAILED, REJECTED, NOTHING, LATER = 0, 1, 3, 4, 75
HOURS = 7200.0
MEMORY = 600
"""MiB that a large file needs."""


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

    def work(self, attempt: int, task: str, sleep: Callable[[float], None]) -> Iterator[tuple[str, bytes] | int]:
        """What becomes of it: the objects of its result by their paths, one after the other, then the exit code."""
        for number in range(self.objects):
            sleep(HOURS if self.kind == "endless" else self.seconds / self.objects)
            if number == self.objects - 1 and (code := self._ends_early(attempt)):
                yield code
                return
            yield f"part-{number}.txt", self.result(number, str(attempt), task)
        yield DONE

    def _ends_early(self, attempt: int) -> int:
        """The exit code of an attempt that does not come to its end, 0 for one that does."""
        if self.kind in {"flaky", "later"}:
            return (FAILED if self.kind == "flaky" else LATER) if attempt == 1 else DONE
        return {"rejected": REJECTED, "nothing": NOTHING, "poison": FAILED}.get(self.kind, DONE)


def process(task: Any) -> int:
    """The program of the contract `command`."""
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
    if body.kind == "large":
        task.use_memory(MEMORY)
    for done in body.work(int(environment["BERTHMASTER_ATTEMPT"]), task.task.id, task.sleep):
        if isinstance(done, int):
            return done
        path, content = done
        task.s3.put_object(
            Bucket=environment["BERTHMASTER_OUTPUT_BUCKET"],
            Key=f"{environment['BERTHMASTER_OUTPUT_PREFIX']}{path}",
            Body=content,
        )
    return DONE


def take(job: Job) -> int:
    """The command of a worker, for one of its files."""
    body = Body.of(job.data)
    if body.kind == "large":
        job.use_memory(MEMORY)
    for done in body.work(job.attempt, job.container.task.id, job.sleep):
        if isinstance(done, int):
            return done
        job.write(*done)
    return DONE
