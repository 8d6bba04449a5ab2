"""Single tasks on Fargate: a cluster with one task definition, and what its tasks run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.calls import calling_as
from simulator.workload.network import Network

if TYPE_CHECKING:
    from simulator.aws.ecs.programs import Program
    from simulator.cloud import Cloud

type Detail = dict[str, Any]


class Scene:
    """A cluster with one task definition, `ocr`, subnets in two zones, and a bucket for results."""

    def __init__(self, cloud: Cloud, stop_timeout: int = 0) -> None:
        self.cloud = cloud
        self.network = Network.create(cloud, "10.0.0.0/20")
        self.subnets = [self.network.subnet(zone, f"10.0.{index}.0/24") for index, zone in enumerate("ab")]
        self.ecs = cloud.client("ecs")
        self.s3 = cloud.client("s3")
        self.ecs.create_cluster(clusterName="batch", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        self.s3.create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": cloud.region})
        container: dict[str, Any] = {
            "name": "ocr",
            "image": "ocr:1",
            "command": ["read"],
            "environment": [{"name": "LANGUAGE", "value": "de"}, {"name": "DPI", "value": "300"}],
            **({"stopTimeout": stop_timeout} if stop_timeout else {}),
        }
        self.ecs.register_task_definition(
            family="ocr",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="1024",
            memory="2048",
            containerDefinitions=[container],
        )

    def run(self, program: Program | None = None, **more: Any) -> str:
        """Run a task; `program` is what its family runs from now on."""
        if program is not None:
            self.cloud.tasks.programs["ocr"] = program
        arn: str = self.request(**more)["tasks"][0]["taskArn"]
        return arn

    def request(self, **more: Any) -> dict[str, Any]:
        """RunTask's answer without its metadata."""
        wanted = {
            "cluster": "batch",
            "taskDefinition": "ocr",
            "networkConfiguration": self.network.network_configuration(),
            **more,
        }
        answer = self.ecs.run_task(**wanted)
        return {"tasks": answer["tasks"], "failures": answer["failures"]}

    def request_as_function(self, **more: Any) -> dict[str, Any]:
        """As `request`, by a function."""
        with calling_as("SomeFunction"):
            return self.request(**more)

    def wait(self, seconds: float = 300) -> None:
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + seconds)

    def wait_for(self, arn: str, status: str) -> None:
        while self.described(arn)["lastStatus"] != status:
            self.cloud.clock.step()

    def described(self, arn: str) -> Detail:
        task: Detail = self.ecs.describe_tasks(cluster="batch", tasks=[arn])["tasks"][0]
        return task

    def end(self, arn: str) -> tuple[str, int | None]:
        """Stop code and exit code of a task that has stopped."""
        task = self.described(arn)
        assert task["lastStatus"] == "STOPPED"
        return task["stopCode"], task["containers"][0].get("exitCode")

    def details(self, arn: str) -> list[Detail]:
        return [one.event["detail"] for one in self.cloud.buses.seen if one.event["detail"].get("taskArn") == arn]

    def results(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket="results").get("Contents", [])]
