"""A busy day of three pipelines, and all that may happen to their files."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.simulation.batch.ledger_view import LedgerView
from tests.simulation.batch.programs import Body, process
from tests.support.batch.scene import INCOMING, RESULTS, BatchScene, a_batch_scene

INBOX = "inbox"
"""An input bucket without versioning."""
UNSCHEDULED = ("CapacityWatchFunction", "TargetsPodsFunction", "TargetsReconcileFunction")
NAMES = ("a b+c%20", "é", "deep/er/x", "🙂", "plain", "+", "q?x=1&y", "50%", "..", "z" * 200)
FOREIGN = "someone-elses.txt"
"""An object that none of Berthmaster's may touch, in each bucket."""
LONGEST_GAP = 4.0
"""Seconds between two things of a burst."""
LONGEST_WORK = 90.0
TIMEOUT_MINUTES = 5
KINDS = ("rejected", "nothing")
"""Of files that are not good."""


@dataclass(frozen=True)
class Source:
    """A pipeline of the day. document: all but what the scene gives to every pipeline."""

    name: str
    bucket: str
    prefix: str
    suffix: str
    tasks: int
    spot_tries: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """What differs from the scene's own pipeline."""
        return {
            "input": {"bucket": self.bucket, "prefix": self.prefix, "suffix": self.suffix},
            "output": {"bucket": RESULTS, "prefix": f"{self.name}/"},
            "limits": {"tasks": self.tasks, "attempts": 3, "timeoutMinutes": TIMEOUT_MINUTES},
            "spot": {"tries": self.spot_tries},
        }

    def key(self, name: str) -> str:
        """The key of one of its inputs."""
        return f"{self.prefix}{name}{self.suffix}"


SOURCES = (
    Source("ocr", INCOMING, "scans/", "", tasks=8),
    Source("thumbs", INCOMING, "images/", ".png", tasks=20, spot_tries=2),
    Source("mail", INBOX, "", ".eml", tasks=3),
)


@dataclass(frozen=True)
class Upload:
    """One version of an object that somebody has put where a pipeline takes its inputs. number: rises with each."""

    source: Source
    key: str
    version_id: str
    etag: str
    body: Body
    number: int
    at: float

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What a file of the ledger says of it."""
        return self.source.bucket, self.key, self.version_id, self.etag


@dataclass
class Day:
    """The scene, everything that was put, and the ledger as it is.

    deleted: the keys whose objects somebody has deleted, and when.
    """

    scene: BatchScene
    random: Random
    ledger: LedgerView
    uploads: list[Upload] = field(default_factory=list)
    deleted: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def cloud(self) -> Cloud:
        """Where it happens."""
        return self.scene.cloud

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.cloud.clock.timestamp()

    def run(self, seconds: float, watch: Callable[[], None]) -> None:
        """Let time pass, and watch after every step of it."""
        clock = self.cloud.clock
        end = clock.timestamp() + seconds
        while clock.step(end):
            watch()
        clock.run_until(end)
        watch()

    def run_until_settled(self, limit: float, watch: Callable[[], None]) -> None:
        """Let time pass until no file is live and nothing is on its way, or the limit is reached."""
        end = self.now + limit
        while (self.ledger.live() or self.own_tasks()) and self.now < end:
            self.run(min(30.0, end - self.now), watch)

    def own_tasks(self) -> list[Task]:
        """The tasks of pipelines that have not stopped."""
        return [task for task in self.cloud.tasks.alive() if task.group.startswith("berthmaster")]

    # What happens

    def something_happens(self) -> None:
        """Let one thing happen."""
        self.random.choice(
            (
                self.put_one,
                self.put_one,
                self.overwrite,
                self.overwrite,
                self.delete,
            )
        )()

    def burst(self, watch: Callable[[], None]) -> None:
        """Many files come within seconds, some of them over each other."""
        source = self.random.choice(SOURCES)
        for _ in range(self.random.randrange(5, 20)):
            self.random.choice((partial(self.put_one, source), partial(self.put_one, source), self.overwrite))()
            self.run(self.random.uniform(0, LONGEST_GAP), watch)

    def put_one(self, source: Source | None = None) -> None:
        """A new object, or one over an old one of the same name."""
        source = source or self.random.choice(SOURCES)
        name = f"{self.random.choice(NAMES)}{self.random.randrange(6)}"
        self._put(source, source.key(name))

    def overwrite(self) -> None:
        """A new version of an object that was put lately."""
        if self.uploads:
            last = self.random.choice(self.uploads[-8:])
            self._put(last.source, last.key)

    def delete(self) -> None:
        """Somebody deletes an object that was put lately."""
        if self.uploads:
            last = self.random.choice(self.uploads[-8:])
            self.cloud.client("s3").delete_object(Bucket=last.source.bucket, Key=last.key)
            self.deleted[last.source.bucket, last.key] = self.now

    def _put(self, source: Source, key: str) -> None:
        number = len(self.uploads) + 1
        # The objects of a key are the same for all its versions, so that a newer result leaves none of an older one.
        body = Body(self._kind(), self.random.uniform(2, LONGEST_WORK), 1 + len(key) % 3, number)
        answer = self.cloud.client("s3").put_object(Bucket=source.bucket, Key=key, Body=body.data)
        etag = answer["ETag"].strip('"')
        self.uploads.append(Upload(source, key, answer.get("VersionId", ""), etag, body, number, self.now))

    def _kind(self) -> str:
        return self.random.choice(KINDS) if self.random.random() < 1 / 4 else "good"

    def calm_down(self) -> None:
        """End all faults."""
        self.cloud.faults.clear()


@contextmanager
def a_busy_day(seed: int, faults: FaultPlan) -> Iterator[Day]:
    """Two buckets of inputs, one of results, three pipelines in force."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    with a_batch_scene(
        seed=seed,
        faults=faults,
        scheduled=True,
        unscheduled=UNSCHEDULED,
        program=process,
        pipeline=SOURCES[0].document,
        BatchInputBuckets=f"arn:aws:s3:::{INCOMING},arn:aws:s3:::{INBOX}",
    ) as scene:
        s3 = scene.cloud.client("s3")
        s3.create_bucket(Bucket=INBOX, CreateBucketConfiguration={"LocationConstraint": scene.cloud.region})
        s3.put_bucket_notification_configuration(
            Bucket=INBOX, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        for bucket in (INCOMING, INBOX, RESULTS):
            s3.put_object(Bucket=bucket, Key=FOREIGN, Body=b"not yours")
        day = Day(scene, random, LedgerView(scene.cloud))
        for source in SOURCES[1:]:
            scene.put_pipeline(source.name, **source.document)
        yield day


def result_of(objects: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    """The objects below a prefix, by the rest of their keys."""
    return {key.removeprefix(prefix): body for key, body in objects.items() if key.startswith(prefix)}
