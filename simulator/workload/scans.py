"""Files that somebody's container works on: buckets, a cluster, a task definition whose program reads and writes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from simulator.workload.network import Network

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.workload.workers import Job

INCOMING, RESULTS = "incoming", "results"
CLUSTER, FAMILY, CPU, MEMORY = "batch", "ocr", "256", "512"
ZONES = {"a": "10.0.0.0/18", "b": "10.0.64.0/18", "c": "10.0.128.0/18"}


@dataclass
class Scans:
    """The world of one pipeline, whoever launches its tasks; addresses are never short.

    put_at: when each key was written. begun_at, ended_at: when work on it first began and was first done to its end.
    ended: how often it was done to its end.
    """

    cloud: Cloud
    network: Network
    seconds: float
    put_at: dict[str, float] = field(default_factory=dict)
    begun_at: dict[str, float] = field(default_factory=dict)
    ended_at: dict[str, float] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)

    @classmethod
    def create(cls, cloud: Cloud, *, seconds: float = 30.0) -> Self:
        """Make it; the work on a file takes so many seconds."""
        network = Network.create(cloud, "10.0.0.0/16", name="batch")
        for zone, block in ZONES.items():
            network.subnet(zone, block)
        s3, ecs = cloud.client("s3"), cloud.client("ecs")
        for bucket in (INCOMING, RESULTS):
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": cloud.region}}
            s3.create_bucket(Bucket=bucket, **({} if cloud.region == "us-east-1" else elsewhere))
        events: Any = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=INCOMING, NotificationConfiguration=events)
        ecs.create_cluster(clusterName=CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"])
        scans = cls(cloud, network, seconds)
        scans.define(FAMILY)
        cloud.tasks.programs[FAMILY] = scans.program
        return scans

    def define(self, family: str, *, image: str = f"example/{FAMILY}:1") -> None:
        """Register a task definition, or a revision of it."""
        self.cloud.client("ecs").register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu=CPU,
            memory=MEMORY,
            containerDefinitions=[{"name": FAMILY, "image": image, "stopTimeout": 120}],
        )

    def put(self, key: str) -> None:
        """Write a file, as a user does."""
        self.put_at[key] = self.cloud.clock.timestamp()
        self.cloud.client("s3").put_object(Bucket=INCOMING, Key=key, Body=b"scan")

    def program(self, task: Any) -> int:
        """Work on the file that the environment names as Berthmaster does."""
        environment = task.environment
        key, prefix = environment["BERTHMASTER_INPUT_KEY"], environment["BERTHMASTER_OUTPUT_PREFIX"]
        self.work(task, key, f"{prefix}text.txt")
        return 0

    def command(self, job: Job) -> int:
        """Work on a file as the command of a worker."""
        key = job.job.source.key
        self.begun_at.setdefault(key, job.container.now())
        job.sleep(self.seconds)
        job.write("text.txt", job.data.upper())
        self._end(key, job.container.now())
        return 0

    def work(self, task: Any, key: str, result: str) -> None:
        """Read a file, work, and write one object."""
        self.begun_at.setdefault(key, task.now())
        body = task.s3.get_object(Bucket=INCOMING, Key=key)["Body"].read()
        task.sleep(self.seconds)
        task.s3.put_object(Bucket=RESULTS, Key=result, Body=body.upper())
        self._end(key, task.now())

    def _end(self, key: str, at: float) -> None:
        self.ended[key] += 1
        self.ended_at.setdefault(key, at)

    def forget(self) -> None:
        """Count anew."""
        for kept in (self.put_at, self.begun_at, self.ended_at, self.ended):
            kept.clear()

    @property
    def lost(self) -> int:
        """How many files nobody has worked on to the end."""
        return sum(not self.ended[key] for key in self.put_at)

    @property
    def doubled(self) -> int:
        """How many files were worked on to the end more than once."""
        return sum(count > 1 for count in self.ended.values())

    def pipeline(self, tasks: int, *, spot_tries: int = 0, workers: bool = False, goal: int = 0) -> str:
        """The document of a pipeline of Berthmaster's. workers: whether tasks take many files. goal: in minutes."""
        return json.dumps(
            {
                "input": {"bucket": INCOMING, "prefix": "scans/"},
                "output": {"bucket": RESULTS, "prefix": "ocr/"},
                "run": {
                    "cluster": CLUSTER,
                    "taskDefinition": FAMILY,
                    "subnets": list(self.network.subnets),
                    "securityGroups": [self.network.security_group_id],
                    "contract": "worker" if workers else "command",
                },
                "limits": {"tasks": tasks},
                "spot": {"tries": spot_tries},
                **({"goal": {"finishWithinMinutes": goal}} if goal else {}),
            }
        )
