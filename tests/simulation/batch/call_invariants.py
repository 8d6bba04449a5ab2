"""What functions and tasks do on a busy day, judged call by call, at the moment at which AWS carries a call out."""

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import Any

from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.plan.identity import started_by
from simulator.account import Account
from simulator.aws.ecs.programs import SIGKILL_CODE
from simulator.aws.ecs.task import Task
from simulator.calls import caller, is_function
from tests.simulation.batch.day import TIMEOUT_MINUTES, Day, Edit, Source
from tests.simulation.judging import Afterwards, Params, judge
from tests.support.batch.scene import RESULTS

OWN = ".berthmaster/"
KNOWN_WITHIN = 240.0
"""Seconds within which every function knows a document, if its event is lost and AWS is slow."""
UNDER_WAY = 10.0
"""Seconds that a call may take whose function has read switch and file before."""
OPEN = frozenset({State.LAUNCHING, State.STARTING, State.RUNNING})
"""The states in which a file's task may run."""


@dataclass
class CallInvariants:
    """Judges calls; `broken` lists in sentences those that were wrong.

    ghosts: the tasks that ECS started although it answered that it had not. They count against no limit, since nobody
    can know of them; they end like all others. launched: all tasks that functions have started, ghosts as well.
    kills: by file, how many of its tasks were killed, which is taken for a lack of memory: that is tried twice.
    requested: the launches of which a task has come.
    paused_at: when an operator's pause was written, if it lasts.
    """

    day: Day
    broken: list[str] = field(default_factory=list)
    ghosts: set[str] = field(default_factory=set)
    launched: set[str] = field(default_factory=set)
    requested: set[str] = field(default_factory=set)
    manifests: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    paused_at: float = inf

    def __post_init__(self) -> None:
        cloud = self.day.cloud
        cloud.tasks.watchers.append(self._count_kills)
        self._watch_launches()
        for operation, look in (
            ("ecs:StopTask", self._stopping),
            ("dynamodb:PutItem", self._switching),
            ("s3:PutObject", self._putting),
            ("s3:CopyObject", self._copying),
            ("s3:DeleteObject", lambda params: self._deleting(params["Bucket"], [params["Key"]])),
            (
                "s3:DeleteObjects",
                lambda params: self._deleting(params["Bucket"], [one["Key"] for one in params["Delete"]["Objects"]]),
            ),
        ):
            judge(cloud, operation, look)

    def _blame(self, sentence: str) -> None:
        self.broken.append(f"{caller()} {sentence} at {self.day.now:.0f}")

    def _count_kills(self, task: Task) -> None:
        if task.last_status != "STOPPED" or task.exit_code != SIGKILL_CODE:
            return
        if named := started_by(task.started_by):
            self.kills[named.file] += 1
        for file in self.day.ledger.files.values():
            self.kills[file.id] += file.claim is not None and file.claim.task == task.arn

    # Launches

    def _watch_launches(self) -> None:
        cloud = self.day.cloud
        run_task = cloud.handlers["ecs:RunTask"]
        begun: list[Task] = []
        cloud.tasks.watchers.append(lambda task: begun.append(task) if task.version == 1 else None)

        def judged(account: Account, params: Params) -> dict[str, Any] | None:
            begun.clear()
            answer = run_task(account, params)
            named = {task["taskArn"] for task in (answer or {}).get("tasks", [])}
            if is_function() and begun:
                if params["startedBy"] in self.requested and named:
                    self._blame(f"launched {params['startedBy']} again")
                if named:
                    self.requested.add(params["startedBy"])
                self.launched |= {task.arn for task in begun}
                self.ghosts |= {task.arn for task in begun if task.arn not in named}
                self._launched(params, begun[0])
            return answer

        cloud.handlers["ecs:RunTask"] = judged

    def _launched(self, params: Params, task: Task) -> None:
        if worker := self.day.ledger.workers.get(params["startedBy"]):
            self._worker_launched(worker, task)
            return
        named = started_by(params["startedBy"])
        file = self.day.ledger.files.get(named.file) if named else None
        if named is None or file is None or file.launch is None or file.launch.number != named.launch:
            self._blame(f"launched {params['startedBy']}, which is not in the ledger,")
            return
        is_over = file.state not in OPEN and self.day.now - file.since.timestamp() > UNDER_WAY
        if is_over or file.state is State.WAITING:
            self._blame(f"launched {file.id}, which is {file.state},")
        self._may_launch(self.day.source(file.pipeline), file.id)
        environment = task.environment
        expected = (file.bucket, file.key, file.version_id, f"{_attempts(file)}{named.launch}/")
        given = tuple(
            environment[f"BERTHMASTER_{name}"]
            for name in ("INPUT_BUCKET", "INPUT_KEY", "INPUT_VERSION_ID", "OUTPUT_PREFIX")
        )
        if given != expected:
            self._blame(f"launched {file.id} with {given} instead of {expected}")

    def _worker_launched(self, worker: Worker, task: Task) -> None:
        source, now = self.day.source(worker.pipeline), self.day.now
        if worker.state is not WorkerState.LAUNCHING and now - worker.since.timestamp() > UNDER_WAY:
            self._blame(f"launched {worker.id}, which is {worker.state},")
        self._may_launch(source, worker.id)
        files = [one for one in self.day.ledger.files.values() if one.pipeline == worker.pipeline]
        if not any(one.state is State.WAITING or now - one.since.timestamp() < UNDER_WAY for one in files):
            self._blame(f"launched {worker.id}, for which nothing waits,")
        environment = task.environment
        expected = (worker.id, worker.pipeline, RESULTS, f"{source.name}/{OWN}attempts/", TIMEOUT_MINUTES * 60)
        given = (
            *(environment[f"BERTHMASTER_{name}"] for name in ("WORKER", "PIPELINE", "OUTPUT_BUCKET", "OUTPUT_ROOT")),
            float(environment["BERTHMASTER_FILE_SECONDS"]),
        )
        if given != expected:
            self._blame(f"launched {worker.id} with {given} instead of {expected}")

    def _may_launch(self, source: Source, name: str) -> None:
        running, (most, is_paused) = self._running(source), self._limits(source)
        if len(running) > most:
            self._blame(f"launched task {len(running)} of {source.name}, whose limit is {most},")
        if is_paused or self.day.now - self.paused_at > UNDER_WAY:
            self._blame(f"launched {name} during a pause,")

    def is_paused(self, pipeline: str) -> bool:
        """Whether nothing of a pipeline is to be begun, and everybody knows that."""
        _, is_paused = self._limits(self.day.source(pipeline))
        return is_paused or self.day.now - self.paused_at > KNOWN_WITHIN

    def _limits(self, source: Source) -> tuple[int, bool]:
        """The highest limit that may be in force, and whether the pipeline is paused for sure."""
        valid = self.in_force(source)
        return max(edit.tasks for edit in valid), all(edit.paused for edit in valid)

    def in_force(self, source: Source) -> list[Edit]:
        """The documents of a pipeline that may be in force: each is until all functions know the next one."""
        edits = [Edit(source, source.tasks, paused=False, at=0.0, dollars=self.day.dollars.get(source.name))]
        edits += [edit for edit in self.day.edits if edit.source is source]
        ends = [edit.at + KNOWN_WITHIN for edit in edits[1:]]
        return [edit for edit, end in zip(edits, [*ends, inf], strict=True) if end > self.day.now]

    def _switching(self, params: Params) -> Afterwards:
        def switched() -> None:
            item = params["Item"]
            if item["pk"]["S"] == "switch":
                self.paused_at = self.day.now if item["paused"]["BOOL"] else inf

        return switched

    def _running(self, source: Source) -> list[Task]:
        """The tasks of a pipeline whose files wait for what they will do; the others are about to be stopped."""
        tasks = (one for one in self.day.own_tasks() if one.arn not in self.ghosts)
        return [one for one in tasks if self._is_open(one, source)]

    def _is_open(self, task: Task, source: Source) -> bool:
        if worker := self.day.ledger.workers.get(task.started_by):
            return worker.pipeline == source.name and worker.is_active
        named = started_by(task.started_by)
        file = self.day.ledger.files.get(named.file) if named else None
        return (
            named is not None
            and file is not None
            and file.pipeline == source.name
            and file.state in OPEN
            and file.launch is not None
            and file.launch.number == named.launch
        )

    def _stopping(self, params: Params) -> Afterwards:
        task = self.day.cloud.tasks.find(params["task"])
        is_judged = is_function() and task is not None and task.desired_status == "RUNNING"

        def stopped() -> None:
            if not is_judged or task is None:
                return
            if task.arn not in self.launched:
                self._blame(f"stopped {task.arn}, which is not Berthmaster's,")

        return stopped

    # Objects

    def _own(self, folder: str) -> tuple[str, ...]:
        """What keys in one of Berthmaster's own folders begin with."""
        return tuple(f"{one.name}/{OWN}{folder}/" for one in self.day.sources)

    def _putting(self, params: Params) -> Afterwards:
        bucket, key = params["Bucket"], params["Key"]

        def put() -> None:
            if not is_function():
                return
            if bucket != RESULTS or not key.startswith(self._own("manifests")):
                self._blame(f"wrote {bucket}/{key}, which is no manifest,")
            self.manifests[key] += 1
            if self.manifests[key] > 1:
                self._blame(f"wrote the manifest {key} again")

        return put

    def _copying(self, params: Params) -> Afterwards:
        bucket, key = params["Bucket"], params["Key"]

        def copied() -> None:
            source = next((one for one in self.day.sources if key.startswith(f"{one.name}/")), None)
            if bucket != RESULTS or source is None or OWN in key:
                self._blame(f"wrote {bucket}/{key}, which is no stable name,")

        return copied

    def _deleting(self, bucket: str, keys: list[str]) -> Afterwards:
        def deleted() -> None:
            if not is_function():
                return
            for key in keys:
                if bucket != RESULTS or not key.startswith(self._own("attempts")):
                    self._blame(f"deleted {bucket}/{key}, which no attempt left behind,")

        return deleted


def _attempts(file: File) -> str:
    return f"{file.pipeline}/{OWN}attempts/{file.id}/"
