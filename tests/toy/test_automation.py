"""A new automation needs no plumbing: proposals, decisions, notices, pause and off come with the shared machinery."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from simulator.aws.sns.topics import Topics
from simulator.cloud import Cloud
from tests.support.tables import CAPACITY_TABLE, create_capacity_table
from tests.toy.automation import NameSubnets


@dataclass
class Scene:
    cloud: Cloud
    subnet: str

    def send(self, source: str, detail_type: str, **detail: str) -> None:
        event = {"source": source, "detail-type": detail_type, "time": "2026-03-02T06:00:00Z", "detail": detail}
        NameSubnets(Clients(), Clock()).handle(json.dumps(event))

    def request(self, detail_type: str, **detail: str) -> None:
        self.send("berthmaster.operator", detail_type, **detail)

    def create(self) -> None:
        self.send("aws.toy", "Subnet Created", subnet=self.subnet)

    def events(self) -> list[str]:
        return [seen.event["detail-type"] for seen in self.cloud.buses.seen]

    def name(self) -> list[Any]:
        described = self.cloud.client("ec2").describe_subnets(SubnetIds=[self.subnet])
        return [tag["Value"] for tag in described["Subnets"][0].get("Tags", [])]


@pytest.fixture(params=["approve"])
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with Cloud(seed=4) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        cloud.client("events").create_event_bus(Name="berthmaster")
        topic = cloud.client("sns").create_topic(Name="people")["TopicArn"]
        for name, value in {"TABLE": CAPACITY_TABLE, "MODE": request.param}.items():
            monkeypatch.setenv(f"TOY_{name}", value)
        monkeypatch.setenv("EVENT_BUS", "berthmaster")
        monkeypatch.setenv("TOPIC_ARN", topic)
        vpc = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
        subnet = cloud.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/26")["Subnet"]["SubnetId"]
        yield Scene(cloud, subnet)


def approval(scene: Scene) -> dict[str, str]:
    """The request that the mail's own command makes."""
    words = shlex.split(scene.cloud.state(Topics).published[-1].message)
    (entry,) = json.loads(words[words.index("--entries") + 1])
    assert entry["DetailType"] == "Proposal Approved"
    detail: dict[str, str] = json.loads(entry["Detail"])
    return detail


def test_a_proposal_is_carried_out_when_its_own_command_approves_it(scene: Scene) -> None:
    scene.create()
    assert scene.name() == []
    scene.request("Proposal Approved", **approval(scene))
    assert scene.name() == ["toy"]
    assert scene.events() == ["Name Proposed", "Name Approved"]


def test_paused_it_proposes_nothing_and_refuses_decisions(scene: Scene) -> None:
    scene.create()
    proposed = approval(scene)
    scene.request("Pause Requested", automation="toy")
    scene.create()
    scene.request("Proposal Approved", **proposed)
    assert scene.name() == []
    assert scene.events() == ["Name Proposed", "Automation Paused", "Request Refused"]


@pytest.mark.parametrize("scene", ["off"], indirect=True)
def test_off_it_answers_and_does_nothing(scene: Scene) -> None:
    scene.create()
    scene.request("Proposal Approved", proposal="toy.subnet.20260302T060000Z")
    assert scene.events() == ["Request Refused"]
    assert "the mode is off" in scene.cloud.state(Topics).published[-1].message
