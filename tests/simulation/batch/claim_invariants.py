"""What workers and functions do with claims, judged at the moment at which DynamoDB carries it out, from the items."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.calls import WORKLOAD, caller, is_function
from tests.simulation.batch.call_invariants import UNDER_WAY, CallInvariants
from tests.simulation.batch.day import Day
from tests.simulation.judging import Afterwards, Params, judge

CLAIMED = frozenset({"claim", "fence", "place", "version"})
"""The attributes of a file that its pipeline's tasks may write."""
LEASE = 90.0
"""Seconds of silence after which a worker is taken for dead."""
OVERTIME = 600.0
"""Seconds after which a claim is released whose worker beats and has nothing to say."""
TAKEN = frozenset({"superseded", "cancelled", "vanished"})
"""States in which a file is taken from its worker, whatever that does."""

type Item = Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """One claim of one file. at, until: when it was made, and until when its worker may work."""

    file: str
    pipeline: str
    owner: str
    lease: str
    task: str
    fence: int
    at: float


@dataclass
class Worker:
    """A worker as its task and its calls show it. beats: the moments at which its record changed."""

    task: Task
    pipeline: str
    beats: list[float] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self.task.has_process and self.task.running_at is not None


@dataclass
class ClaimInvariants:
    """Judges claims; `broken` lists in sentences those that were wrong.

    claims: those that stand, by file. numbers: by file, of the last launch or claim. workers: by id.
    silent_since: by pipeline, since when its control item says that nothing is to be claimed, infinity if it does not.
    reports: by lease, the exit codes and outcomes that its worker has sent; heard: the calls that were looked at.
    """

    day: Day
    calls: CallInvariants
    broken: list[str] = field(default_factory=list)
    claims: dict[str, Claim] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    workers: dict[str, Worker] = field(default_factory=dict)
    silent_since: dict[str, float] = field(default_factory=dict)
    reports: dict[str, set[tuple[int, str]]] = field(default_factory=lambda: defaultdict(set))
    heard: int = 0

    def __post_init__(self) -> None:
        cloud = self.day.cloud
        for source in self.day.sources:
            key = {"pk": {"S": f"worker {source.name}"}, "sk": {"S": "control"}}
            item = self.day.ledger.item(self.day.scene.table, key)
            self.silent_since[source.name] = inf if item.get("claims", {}).get("BOOL") else -inf
        cloud.tasks.watchers.append(self._see)
        judge(cloud, "dynamodb:UpdateItem", self._updating)
        judge(cloud, "dynamodb:PutItem", lambda params: self._putting([params]))
        judge(
            cloud,
            "dynamodb:TransactWriteItems",
            lambda params: self._putting([action["Put"] for action in params["TransactItems"] if "Put" in action]),
        )

    def _blame(self, sentence: str) -> None:
        self.broken.append(f"{caller()} {sentence} at {self.day.now:.0f}")

    def _see(self, task: Task) -> None:
        if identifier := task.environment.get("BERTHMASTER_WORKER"):
            self.workers.setdefault(identifier, Worker(task, task.environment["BERTHMASTER_PIPELINE"]))

    # What workers write

    def _updating(self, params: Params) -> Afterwards:
        partition = params["Key"]["pk"]["S"]
        if caller() != WORKLOAD:
            return lambda: None
        if partition.startswith("worker "):
            return lambda: self._beaten(params["Key"]["sk"]["S"])
        item = partial(self.day.ledger.item, params["TableName"], params["Key"])
        before = item()

        def updated() -> None:
            self._claimed(before, item())

        return updated

    def _claimed(self, before: Item, after: Item) -> None:
        if after == before:
            # The SDK repeats a call whose answer was lost.
            return
        file = after["sk"]["S"]
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        if not changed <= CLAIMED:
            self._blame(f"changed {changed} of {file}")
        if "claim" in before or file in self.claims:
            self._blame(f"claimed {file}, which {before.get('claim')} had claimed,")
        claim = _claim_of(after, self.day.now)
        if claim.fence <= self.numbers[file] or claim.fence != int(before.get("fence", {"N": "0"})["N"]) + 1:
            self._blame(f"claimed {file} with the number {claim.fence} after {self.numbers[file]}")
        self.numbers[file] = max(self.numbers[file], claim.fence)
        self.claims[file] = claim
        worker = self.workers.get(claim.owner)
        if worker is None or worker.task.arn != claim.task or worker.pipeline != claim.pipeline:
            self._blame(f"claimed {file} for {claim.owner}, {claim.task}, which is another's,")
        else:
            worker.claims.append(claim)
        _, where, due = before["place"]["S"].split("|")
        if where not in ("waiting", "behind") or due > after["place"]["S"].split("|")[2]:
            self._blame(f"claimed {file}, which was {before['place']['S']},")
        if json.loads(before["body"]["S"]).get("is_alone"):
            self._blame(f"claimed {file}, which is to be processed by itself,")
        if self.day.now - self.silent_since[claim.pipeline] > UNDER_WAY:
            self._blame(f"claimed {file} although nothing of {claim.pipeline} was to be claimed")
        if self.calls.is_paused(claim.pipeline):
            self._blame(f"claimed {file} during a pause")

    # What functions write

    def _putting(self, puts: list[Params]) -> Afterwards:
        is_judged = is_function()

        def written() -> None:
            for put in puts:
                item = put["Item"]
                kind, _, rest = item["pk"]["S"].partition(" ")
                if is_judged and kind == "file":
                    self._written(item)
                elif kind == "worker" and item["sk"]["S"] == "control":
                    silent_since = min(self.silent_since[rest], self.day.now)
                    self.silent_since[rest] = inf if item["claims"]["BOOL"] else silent_since

        return written

    def _beaten(self, identifier: str) -> None:
        if worker := self.workers.get(identifier):
            worker.beats.append(self.day.now)
        else:
            self._blame(f"wrote the record of {identifier}, which is no worker")

    def _written(self, item: Item) -> None:
        file = item["sk"]["S"]
        body = json.loads(item["body"]["S"])
        self.numbers[file] = max(self.numbers[file], (body.get("launch") or {}).get("number", 0))
        claim = self.claims.get(file)
        if claim is None:
            if "claim" in item:
                self._blame(f"wrote a claim of {file} that no worker has")
            return
        state, reports = body["state"], self._reports_of(claim)
        if state in ("committing", "committed") and (0, "exited") not in reports:
            self._blame(f"took the result of {claim}, which has not said that it has one,")
        if "claim" in item:
            if item["claim"]["M"]["lease"]["S"] != claim.lease:
                self._blame(f"changed the claim of {file}")
            return
        del self.claims[file]
        if state not in TAKEN and not reports and not self._may_be_released(claim):
            self._blame(f"released {claim}, whose worker works on,")

    def _may_be_released(self, claim: Claim) -> bool:
        """Whether its worker has ended, has been silent, or has had its time."""
        worker = self.workers[claim.owner]
        now = self.day.now
        is_silent = not any(now - LEASE < beat < now - UNDER_WAY for beat in worker.beats)
        seconds = float(worker.task.environment["BERTHMASTER_FILE_SECONDS"])
        # RunTask has said that there is no such task, so its worker is one that has ended.
        is_ghost = worker.task.arn in self.calls.ghosts
        return worker.has_ended or is_silent or is_ghost or now > claim.at + seconds + OVERTIME

    # What workers report

    def _reports_of(self, claim: Claim) -> set[tuple[int, str]]:
        """Exit codes and outcomes that the worker of a claim has sent of it."""
        calls = self.day.cloud.calls.all
        for call in calls[self.heard :]:
            if call.is_by_program and call.service == "sqs":
                for message in call.params.get("Entries", [call.params]):
                    detail = json.loads(message["MessageBody"])["detail"]
                    worker = self.workers.get(detail["worker"])
                    if worker and worker.task.id == call.request_id:
                        self.reports[detail["lease"]].add((detail["exitCode"], detail["outcome"]))
        self.heard = len(calls)
        return self.reports[claim.lease]


def _claim_of(item: Item, now: float) -> Claim:
    found = item["claim"]["M"]
    return Claim(
        file=item["sk"]["S"],
        pipeline=item["pk"]["S"].split(" ")[1],
        owner=found["owner"]["S"],
        lease=found["lease"]["S"],
        task=found["task"]["S"],
        fence=int(item["fence"]["N"]),
        at=now,
    )
