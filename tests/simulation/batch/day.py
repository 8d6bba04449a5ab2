"""A busy day of some pipelines, and all that may happen to their files."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from berthmaster.batch.model.files import File, State
from simulator.aws.ecs.fargate import NOT_FOUND, UNAUTHORIZED
from simulator.aws.ecs.rates import Rates
from simulator.aws.ecs.task import Task
from simulator.aws.events.bus import complete
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan, Outage
from simulator.workload.workers import worker
from tests.simulation.batch.careless_workers import careless
from tests.simulation.batch.ledger_view import LedgerView
from tests.simulation.batch.programs import Body, process, take
from tests.support.batch.scene import CLUSTER, INCOMING, RESULTS, BatchScene, Program, a_batch_scene

INBOX = "inbox"
"""An input bucket without versioning."""
UNSCHEDULED = ("CapacityWatchFunction", "TargetsPodsFunction", "TargetsReconcileFunction")
HOME = "arn:aws:ecs:eu-central-1:123456789012"
NAMES = ("a b+c%20", "é", "deep/er/x", "🙂", "plain", "+", "q?x=1&y", "50%", "..", "z" * 200)
FOREIGN_FAMILY = "web"
"""Of the tasks in the cluster that are not Berthmaster's; they run until they are stopped."""
FOREIGN = "someone-elses.txt"
"""An object that none of Berthmaster's may touch, in each bucket."""
FILES, FILES_OF_WORKERS = (4, 14), (8, 24)
"""Files of a burst."""
LONGEST_GAP = 4.0
"""Seconds between two things of a burst."""
LONGEST_WORK, LONGEST_WORK_OF_MANY = 90.0, 20.0
"""Seconds of a file; of those of which many come, one in eight takes as long as others."""
TIMEOUT_MINUTES = 5
KINDS = ("rejected", "nothing", "poison", "flaky", "later", "large", "endless")
"""Of files that are not good."""
NOT_GOOD = 0.2
LONGEST_TROUBLE = 600.0
"""Seconds that a pause lasts, or what Fargate lacks."""
LONGEST_OUTAGE = 150.0
FAILING = (
    "dynamodb:PutItem",
    "ecs:DescribeTasks",
    "ecs:RunTask",
    "events:PutEvents",
    "s3:CopyObject",
    "s3:CopyObject",
    "s3:PutObject",
    "sqs:SendMessage",
)
"""Operations that have outages."""
FAILING_FOR_PROGRAMS = ("dynamodb:UpdateItem", "dynamodb:UpdateItem", "s3:PutObject", "sqs:SendMessageBatch")
"""Likewise, for the programs of tasks; without UpdateItem, they neither beat nor claim."""
IN_A_QUARTER = {"goal": {"finishWithinMinutes": 15}}
IMAGE = "example/ocr:1"
INTERFERENCE = 0.1
"""How often somebody touches an object at the worst moment."""
LATELY = 8
"""Uploads that somebody remembers."""


@dataclass(frozen=True)
class Source:
    """A pipeline of the day. tasks: as many as it may run at once until somebody changes that.

    program: of the workers that its contract lets take many files; None for the contract `command`. more: of its
    document.
    """

    name: str
    bucket: str
    prefix: str
    suffix: str
    tasks: int
    spot_tries: int = 0
    program: Program | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self, *, tasks: int = 0, paused: bool = False, dollars: float | None = None) -> dict[str, Any]:
        """What differs from the scene's own pipeline. dollars: a day; None for no limit."""
        limits = {"tasks": tasks or self.tasks, "attempts": 3, "timeoutMinutes": TIMEOUT_MINUTES}
        document: dict[str, Any] = {
            "input": {"bucket": self.bucket, "prefix": self.prefix, "suffix": self.suffix},
            "output": {"bucket": RESULTS, "prefix": f"{self.name}/"},
            "limits": limits if dollars is None else {**limits, "dollarsPerDay": dollars},
            "spot": {"tries": self.spot_tries},
            "paused": paused,
            **self.more,
        }
        return document | {"run": {"taskDefinition": self.name, "contract": "worker"}} if self.program else document

    def key(self, name: str) -> str:
        """The key of one of its inputs."""
        return f"{self.prefix}{name}{self.suffix}"


SOURCES = (
    Source("ocr", INCOMING, "scans/", "", tasks=8),
    Source("thumbs", INCOMING, "images/", ".png", tasks=20, spot_tries=2),
    Source("mail", INBOX, "", ".eml", tasks=3),
)
OF_WORKERS = (
    Source("pages", INCOMING, "pages/", "", tasks=6, spot_tries=2, program=worker(take), more=IN_A_QUARTER),
    Source("slides", INBOX, "decks/", ".odp", tasks=4, program=careless),
)
"""Pipelines whose tasks take many files."""


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


@dataclass(frozen=True)
class Edit:
    """A document that somebody has put, and when."""

    source: Source
    tasks: int
    paused: bool
    at: float
    dollars: float | None = None


@dataclass
class Day:
    """The scene, everything that was put, and the ledger as it is.

    deleted: the keys whose objects somebody has deleted, and the number of the last upload before that. edits: of the
    pipelines, all that were valid. crashed: the files of which somebody has killed a task. cancelled: the keys and
    pipelines that somebody has cancelled. dollars: by pipeline, what it may cost a day while the day is busy. decided:
    the proposals that somebody has decided about, and whether they were approved. is_busy: whether people interfere.
    """

    scene: BatchScene
    random: Random
    ledger: LedgerView
    sources: Sequence[Source]
    uploads: list[Upload] = field(default_factory=list)
    deleted: dict[tuple[str, str], int] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    crashed: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    dollars: Mapping[str, float] = field(default_factory=dict)
    decided: dict[str, bool] = field(default_factory=dict)
    is_busy: bool = False

    @property
    def cloud(self) -> Cloud:
        """Where it happens."""
        return self.scene.cloud

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.cloud.clock.timestamp()

    def source(self, name: str) -> Source:
        """One of the pipelines."""
        return next(one for one in self.sources if one.name == name)

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
        return [task for task in self.cloud.tasks.alive() if task.family != FOREIGN_FAMILY]

    # What happens

    def a_file_comes(self) -> None:
        """Somebody puts a new object, or a new version of one."""
        self.random.choice((self.put_one, self.overwrite))()

    def something_happens(self) -> None:
        """Let one thing happen to the files that have come, or to those that will."""
        self.random.choice(
            (
                self.delete,
                partial(self._to_a_task, self.cloud.tasks.interrupt),
                partial(self._to_a_task, self._person_stops),
                self._crash_a_task,
                self._person_runs,
                self._edit,
                self._edit_badly,
                self._pause,
                self._ask,
                self._cancel,
                self._replay,
                self._lack_capacity,
                self._break_the_image,
                self._hang,
                self._reach_the_quota,
                self._neighbour_launches,
                self._begin_outage,
                self._begin_outage,
            )
        )()

    def burst(self, watch: Callable[[], None], source: Source | None = None) -> None:
        """Many files come within seconds, some of them over each other; most of them where many come."""
        source = source or self.random.choice([*self.sources, *2 * [one for one in self.sources if one.program]])
        for _ in range(self.random.randrange(*(FILES_OF_WORKERS if source.program else FILES))):
            self.random.choice((partial(self.put_one, source), partial(self.put_one, source), self.overwrite))()
            self.run(self.random.uniform(0, LONGEST_GAP), watch)

    def put_one(self, source: Source | None = None) -> None:
        """A new object, or one over an old one of the same name."""
        source = source or self.random.choice(self.sources)
        name = f"{self.random.choice(NAMES)}{self.random.randrange(40 if source.program else 6)}"
        self.put(source, source.key(name), self._kind())

    def overwrite(self) -> None:
        """A new version of an object that was put lately; a new object if none was."""
        if not self.uploads:
            self.put_one()
            return
        last = self.random.choice(self.uploads[-LATELY:])
        self.put(last.source, last.key, self._kind())

    def delete(self) -> None:
        """Somebody deletes an object that was put lately."""
        if self.uploads:
            last = self.random.choice(self.uploads[-LATELY:])
            self._delete(last.source, last.key)

    def _delete(self, source: Source, key: str) -> None:
        self.cloud.client("s3").delete_object(Bucket=source.bucket, Key=key)
        self.deleted[source.bucket, key] = len(self.uploads)

    def interfere(self, before: File | None, file: File) -> None:
        """Somebody overwrites or deletes an object just when its file is launched or committed."""
        is_claimed = file.claim is not None
        is_moment = (is_claimed or file.state in (State.LAUNCHING, State.COMMITTING)) and (
            before is None or before.state is not file.state
        )
        if is_moment and self.is_busy and self.random.random() < INTERFERENCE:
            source = self.source(file.pipeline)
            happen = self.random.choice(
                (partial(self.put, source, file.key, "good"), partial(self._delete, source, file.key))
            )
            self.cloud.clock.after(self.random.uniform(0, 3), happen)

    def put(self, source: Source, key: str, kind: str) -> None:
        """Somebody puts an object of a kind."""
        number = len(self.uploads) + 1
        # The objects of a key are the same for all its versions, so that a newer result leaves none of an older one.
        longest = LONGEST_WORK_OF_MANY if source.program and number % 8 else LONGEST_WORK
        body = Body(kind, self.random.uniform(2, longest), 1 + len(key) % 3, number)
        answer = self.cloud.client("s3").put_object(Bucket=source.bucket, Key=key, Body=body.data)
        etag = answer["ETag"].strip('"')
        self.uploads.append(Upload(source, key, answer.get("VersionId", ""), etag, body, number, self.now))

    def _to_a_task(self, happen: Callable[[Task], None]) -> None:
        if tasks := self.own_tasks():
            happen(self.random.choice(tasks))

    def _person_stops(self, task: Task) -> None:
        self.cloud.client("ecs").stop_task(cluster=CLUSTER, task=task.arn)

    def _crash_a_task(self) -> None:
        """The process of a task dies; at most once for each file, so that this alone is no reason to give it up."""
        tasks = [task for task in self.own_tasks() if task.has_process and _file_of(task) not in self.crashed]
        if tasks:
            task = self.random.choice(tasks)
            self.crashed.add(_file_of(task))
            self.cloud.tasks.crash(task)

    def _person_runs(self) -> None:
        """Somebody else runs a task in the cluster, whose name, group and tags are almost Berthmaster's."""
        self.cloud.client("ecs").run_task(
            cluster=CLUSTER,
            taskDefinition=FOREIGN_FAMILY,
            group="berthmaster_another_ocr",
            startedBy=f"{self.random.getrandbits(120):030x}-1",
            tags=[{"key": "berthmaster:stack", "value": "another"}, {"key": "berthmaster:pipeline", "value": "ocr"}],
            networkConfiguration=self.scene.network.network_configuration(),
        )

    # Pipelines and switches

    def _edit(self, source: Source | None = None, *, tasks: int = 0, paused: bool = False) -> None:
        """Somebody changes how many tasks a pipeline may run."""
        source = source or self.random.choice(self.sources)
        dollars = self.dollars.get(source.name) if self.is_busy else None
        edit = Edit(source, tasks or self.random.randrange(1, 2 * source.tasks), paused, self.now, dollars)
        self.scene.put_document(source.name, **source.document(tasks=edit.tasks, paused=paused, dollars=dollars))
        self.edits.append(edit)

    def _edit_badly(self) -> None:
        """Somebody writes a document that is not valid: the last one that was stays in force."""
        source = self.random.choice(self.sources)
        document = self.random.choice(
            ("{", '{"input": {}}', json.dumps(self.scene.document(**source.document(tasks=-1))))
        )
        self.scene.put_document(source.name, document)

    def _pause(self) -> None:
        """Somebody pauses a pipeline or all of them for some minutes."""
        later = partial(self.cloud.clock.after, self.random.uniform(60, LONGEST_TROUBLE))
        if self.random.random() < 1 / 2:
            source = self.random.choice(self.sources)
            self._edit(source, paused=True)
            later(lambda: self._edit(source, tasks=source.tasks))
        else:
            self._request("Pause Requested", automation="batch")
            later(lambda: self._request("Resume Requested", automation="batch"))

    def _request(self, detail_type: str, **detail: str) -> None:
        """An operator's request, which is never lost: they would repeat it if nothing happened."""
        event = complete(
            self.cloud,
            {"source": "berthmaster.operator", "detail-type": detail_type, "detail": {**detail, "by": "ops"}},
        )
        queue = self.scene.berthmaster.template.identity("BatchControlQueue").attributes["Arn"]
        self.scene.berthmaster.deliver(queue, json.dumps(event))

    def decide(self) -> None:
        """People answer what they were asked about budgets: mostly, and not at once."""
        for notice in self.scene.events("Budget Reached"):
            proposal = notice["proposal"]
            if proposal not in self.decided and self.random.random() < 1 / 3:
                self.decided[proposal] = self.random.random() < 2 / 3
                verdict = "Approved" if self.decided[proposal] else "Rejected"
                self._request(f"Proposal {verdict}", proposal=proposal, fingerprint=notice["fingerprint"])

    def _ask(self) -> None:
        """An operator asks where a file is, or what a pipeline waits for."""
        if self.uploads and self.random.random() < 2 / 3:
            upload = self.random.choice(self.uploads[-LATELY:])
            self._request("File Status Requested", bucket=upload.source.bucket, key=upload.key)
        else:
            self._request("File Status Requested", pipeline=self.random.choice(self.sources).name)

    def _cancel(self) -> None:
        """An operator wants no result of a file, or, rarely, of all files of a pipeline."""
        if self.random.random() < 1 / 8:
            source = self.random.choice(self.sources)
            self.cancelled.add(source.name)
            self._request("Cancel Requested", pipeline=source.name)
        elif self.uploads:
            upload = self.random.choice(self.uploads[-LATELY:])
            self.cancelled.add(upload.key)
            self._request("Cancel Requested", bucket=upload.source.bucket, key=upload.key)

    def _replay(self) -> None:
        """An operator has files tried again."""
        ended = [one for one in self.ledger.files.values() if one.state in (State.DEAD, State.CANCELLED)]
        if not ended or self.random.random() < 1 / 4:
            self._request("Replay Requested", pipeline=self.random.choice(self.sources).name)
        else:
            self._request("Replay Requested", file=self.random.choice(ended).id)

    # Fargate

    def _lack_capacity(self) -> None:
        """Fargate has no room in a zone, or of a provider."""
        zone = self.random.choice(("", *(f"{self.cloud.region}{letter}" for letter in "ab")))
        provider = self.random.choice(("", "FARGATE", "FARGATE_SPOT"))
        self.cloud.fargate.lack_capacity(zone=zone, provider=provider, until=self._end_of_trouble())

    def _break_the_image(self) -> None:
        """The image cannot be pulled for a while."""
        broken = self.cloud.fargate.broken_images
        broken[IMAGE] = self.random.choice((NOT_FOUND, UNAUTHORIZED))
        self.cloud.clock.at(self._end_of_trouble(), lambda: broken.pop(IMAGE, None))

    def _hang(self) -> None:
        """Tasks stay in PROVISIONING."""
        self.cloud.fargate.hang(self.now + self.random.uniform(5, 60))

    def _reach_the_quota(self) -> None:
        """The account may run few tasks at once for a while."""
        vcpus = self.cloud.fargate.vcpus
        vcpus["FARGATE"] = 0.25 * self.random.randrange(2, 6)
        self.cloud.clock.at(self._end_of_trouble(), lambda: vcpus.pop("FARGATE", None))

    def _neighbour_launches(self) -> None:
        """Somebody else uses the account's rate of launches for some seconds."""
        rates, clock = self.cloud.state(Rates), self.cloud.clock
        for second in range(self.random.randrange(5, 30)):
            clock.after(second, lambda: rates.run_task.take(clock.timestamp(), rates.run_task.burst * 0.8))

    def _begin_outage(self) -> None:
        """An operation fails for longer than the SDK tries it."""
        until = self.now + self.random.uniform(30, LONGEST_OUTAGE)
        if any(one.program for one in self.sources) and self.random.random() < 1 / 2:
            outage = Outage(self.random.choice(FAILING_FOR_PROGRAMS), until, of_programs=True)
        else:
            outage = Outage(self.random.choice(FAILING), until)
        self.cloud.faults.begin_outage(outage)

    def _end_of_trouble(self) -> float:
        return self.now + self.random.uniform(60, LONGEST_TROUBLE)

    def _kind(self) -> str:
        return self.random.choice(KINDS) if self.random.random() < NOT_GOOD else "good"

    def calm_down(self) -> None:
        """End all faults, and let everybody work."""
        self.is_busy = False
        self.cloud.faults.clear()
        self.cloud.fargate.recover()
        self.cloud.fargate.vcpus.clear()
        self.cloud.fargate.broken_images.clear()
        for source in self.sources:
            self._edit(source, tasks=source.tasks)
        self._request("Resume Requested", automation="batch")


@contextmanager
def a_day(
    seed: int,
    faults: FaultPlan = NO_FAULTS,
    *,
    sources: Sequence[Source] = SOURCES,
    dollars: Mapping[str, float] | None = None,
) -> Iterator[Day]:
    """Two buckets of inputs, one of results, and these pipelines in force beside the first one.

    dollars: by pipeline, what it may cost a day.
    """
    dollars = dollars or {}
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    families = ["ocr", *(one.name for one in sources if one.program)]
    with a_batch_scene(
        seed=seed,
        faults=FaultPlan(seed=seed),
        scheduled=True,
        unscheduled=UNSCHEDULED,
        program=process,
        pipeline=SOURCES[0].document(dollars=dollars.get(SOURCES[0].name)),
        CapacityMode="off",
        TargetsMode="off",
        BatchInputBuckets=f"arn:aws:s3:::{INCOMING},arn:aws:s3:::{INBOX}",
        BatchTaskDefinitions=",".join(f"{HOME}:task-definition/{one}" for one in families),
    ) as scene:
        for source in sources:
            if source.program:
                scene.define_task(source.name, source.program)
        s3 = scene.cloud.client("s3")
        s3.create_bucket(Bucket=INBOX, CreateBucketConfiguration={"LocationConstraint": scene.cloud.region})
        s3.put_bucket_notification_configuration(
            Bucket=INBOX, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        for bucket in (INCOMING, INBOX, RESULTS):
            s3.put_object(Bucket=bucket, Key=FOREIGN, Body=b"not yours")
        day = Day(scene, random, LedgerView(scene.cloud), sources, dollars=dollars)
        scene.cloud.client("ecs").register_task_definition(
            family=FOREIGN_FAMILY,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "web", "image": "web:1"}],
        )
        day.ledger.watchers.append(day.interfere)
        for source in sources:
            if source is not SOURCES[0]:
                scene.put_pipeline(source.name, **source.document(dollars=dollars.get(source.name)))
        scene.cloud.faults.plan = faults
        yield day


def _file_of(task: Task) -> str:
    return task.started_by.partition("-")[0]
