"""Scenes for batch: buckets, a pipeline whose tasks run a program, and Berthmaster deployed."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from berthmaster.batch.ledger.files import Files, file_of
from berthmaster.batch.ledger.pipelines import LIFETIME, Pipelines
from berthmaster.batch.model.files import File
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network
from tests.support.event_schemas import check_outcomes
from tests.support.mails import check_mails

CONTROL, INTAKE, DISPATCH, FOLLOW = (
    "BatchControlFunction",
    "BatchIntakeFunction",
    "BatchDispatchFunction",
    "BatchFollowFunction",
)
RECONCILE = "BatchReconcileFunction"
OTHERS = ("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction")
"""Functions of other automations that a schedule starts."""
QUEUES = ("BatchControl", "BatchObject", "BatchDispatch", "BatchTask", "BatchResult")
INCOMING, RESULTS = "incoming", "results"
CLUSTER = "batch"
BUS = "berthmaster"

type Program = Callable[[Any], int]


def ocr(task: Any) -> int:
    """Read the input as it was when the event came, work for some seconds, write one object."""
    environment = task.environment
    version = environment["BERTHMASTER_INPUT_VERSION_ID"]
    body = task.s3.get_object(
        Bucket=environment["BERTHMASTER_INPUT_BUCKET"],
        Key=environment["BERTHMASTER_INPUT_KEY"],
        **({"VersionId": version} if version else {"IfMatch": environment["BERTHMASTER_INPUT_ETAG"]}),
    )["Body"].read()
    task.sleep(10)
    task.s3.put_object(
        Bucket=environment["BERTHMASTER_OUTPUT_BUCKET"],
        Key=f"{environment['BERTHMASTER_OUTPUT_PREFIX']}text.txt",
        Body=body.upper(),
    )
    return 0


@dataclass
class BatchScene:
    """Buckets `incoming` and `results`, a cluster, a task definition `ocr`, two subnets; Berthmaster is deployed."""

    cloud: Cloud
    network: Network
    berthmaster: Deployment
    mails_before: int = 0

    @property
    def table(self) -> str:
        """The name of the ledger's table."""
        return str(self.berthmaster.template.identity("BatchTable").name)

    @property
    def ledger(self) -> Files:
        """The files as the operator of the test sees them."""
        return Files(self.cloud.client("dynamodb"), self.table, kept_for=timedelta(days=90))

    # Pipelines

    def document(self, **changes: Mapping[str, Any]) -> dict[str, Any]:
        """The document of the pipeline `ocr`, with some of its parts changed."""
        document: dict[str, Any] = {
            "input": {"bucket": INCOMING, "prefix": "scans/"},
            "output": {"bucket": RESULTS, "prefix": "ocr/"},
            "run": {
                "cluster": CLUSTER,
                "taskDefinition": "ocr",
                "subnets": list(self.network.subnets),
                "securityGroups": [self.network.security_group_id],
            },
        }
        for part, change in changes.items():
            given = document.get(part)
            document[part] = {**given, **change} if isinstance(given, dict) else change
        return document

    def put_pipeline(self, name: str = "ocr", **changes: Any) -> None:
        """Put a pipeline in force, and wait until all functions know it."""
        version = self.put_document(name, **changes)
        end = self.cloud.clock.timestamp() + 300
        while (record := self.pipelines.get(name)) is None or record.parameter_version != version:
            assert record is None or record.newest_version != version, record.refused
            assert self.cloud.clock.timestamp() < end, f"{name} is not in force"
            self.wait(2)
        self.wait(LIFETIME.total_seconds())

    def put_document(self, name: str = "ocr", document: str = "", **changes: Any) -> int:
        """Put the parameter of a pipeline as a user does; returns its version. document: instead of a changed one."""
        answer = self.cloud.client("ssm").put_parameter(
            Name=f"/berthmaster/batch/{name}",
            Type="String",
            Value=document or json.dumps(self.document(**changes)),
            Overwrite=True,
        )
        return int(answer["Version"])

    def delete_document(self, name: str = "ocr") -> None:
        """Delete the parameter of a pipeline."""
        self.cloud.client("ssm").delete_parameter(Name=f"/berthmaster/batch/{name}")

    @property
    def pipelines(self) -> Pipelines:
        """The registry, read afresh."""
        return Pipelines(self.cloud.client("dynamodb"), self.table, self.cloud.clock)  # type: ignore[arg-type]

    def deploy_mode(self, mode: str) -> None:
        """Deploy the functions again with another mode; rules and schedules stay as they are."""
        for function in self.berthmaster.runtime.functions.values():
            environment = cast("dict[str, str]", function.environment)
            if "BATCH_MODE" in environment:
                environment["BATCH_MODE"] = mode
        self.berthmaster.runtime.kill_containers()

    def define_task(self, family: str, program: Program, **more: Any) -> None:
        """Register a task definition whose container runs a program of the test."""
        self.cloud.client("ecs").register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": family, "image": f"example/{family}:1", "stopTimeout": 120}],
            **more,
        )
        self.cloud.tasks.programs[family] = program

    # Files

    def put(self, key: str, body: bytes = b"scan", *, bucket: str = INCOMING) -> str:
        """Write an object, as a user does; returns its version id, empty without versioning."""
        answer = self.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return str(answer.get("VersionId", ""))

    def files(self) -> list[File]:
        """Every file of the ledger."""
        dynamodb = self.cloud.client("dynamodb")
        found = []
        for page in dynamodb.get_paginator("scan").paginate(TableName=self.table):
            found += [file_of(item) for item in page["Items"] if item["pk"]["S"].startswith("file ")]
        return sorted(found, key=lambda file: (file.received_at, file.id))

    def states(self) -> dict[str, list[str]]:
        """By key, the states of its versions in the order in which they came."""
        found: dict[str, list[str]] = {}
        for file in self.files():
            found.setdefault(file.key, []).append(str(file.state))
        return found

    def objects(self, prefix: str = "", *, bucket: str = RESULTS) -> dict[str, bytes]:
        """The objects of a bucket below a prefix, by key."""
        s3 = self.cloud.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.berthmaster.run(minutes=seconds / 60)

    def settle(self, *, limit: float = 3600) -> None:
        """Let time pass until no file is live any more."""
        end = self.cloud.clock.timestamp() + limit
        while any(file.is_live for file in self.files()) or not self.files():
            assert self.cloud.clock.timestamp() < end, self.states()
            self.wait(10)

    # Events, requests, results

    def request(self, detail_type: str, **detail: Any) -> None:
        """Send a request as an operator."""
        event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
        self.berthmaster.put_event(event, bus=BUS)

    def events(self, *detail_types: str) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, in order."""
        return [
            seen.event["detail"]
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in detail_types
        ]

    def mails(self) -> list[str]:
        """The messages that people got since the scene was opened."""
        return [one.message for one in self.berthmaster.published[self.mails_before :]]

    def dead_letters(self) -> list[Any]:
        """What ended in the dead-letter queues of batch."""
        return [one for queue in QUEUES for one in self.berthmaster.dead_letters(f"{queue}DeadLetterQueue")]


@contextmanager
def a_batch_scene(
    *,
    mode: str = "enforce",
    seed: int = 1,
    faults: FaultPlan = NO_FAULTS,
    versioned: bool = True,
    program: Program = ocr,
    scheduled: bool = False,
    unscheduled: Collection[str] = (),
    pipeline: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Iterator[BatchScene]:
    """Open a cloud with one scene in it, whose pipeline `ocr` (changed by `pipeline`) is in force.

    In the end, all events of Berthmaster are compared with their schemas, and what people got is checked.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/20")
        network.subnet("a", "10.0.0.0/22")
        network.subnet("b", "10.0.4.0/22")
        s3 = cloud.client("s3")
        for bucket in (INCOMING, RESULTS):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        s3.put_bucket_notification_configuration(
            Bucket=INCOMING, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        if versioned:
            s3.put_bucket_versioning(Bucket=INCOMING, VersioningConfiguration={"Status": "Enabled"})
        cloud.client("ecs").create_cluster(clusterName=CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"])
        home = f"arn:aws:ecs:{cloud.region}:{cloud.account_id}"
        given = {
            "BatchMode": mode,
            "BatchInputBuckets": f"arn:aws:s3:::{INCOMING}",
            "BatchOutputBuckets": f"arn:aws:s3:::{RESULTS}",
            "BatchTaskDefinitions": f"{home}:task-definition/ocr",
            **parameters,
        }
        berthmaster = Deployment(cloud, parameters=given, unscheduled=unscheduled)
        berthmaster.schedules_enabled = scheduled
        scene = BatchScene(cloud, network, berthmaster)
        scene.define_task("ocr", program)
        scene.put_pipeline(**(pipeline or {}))
        scene.mails_before = len(berthmaster.published)
        yield scene
        check_outcomes(berthmaster.bus_events)
        check_mails(cloud, berthmaster.published)
