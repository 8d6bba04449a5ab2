"""Scenes in which rules are removed: hours stand for weeks."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from berthmaster.security_groups.ledger.origins import Origins
from berthmaster.security_groups.ledger.proposals import Proposals
from berthmaster.security_groups.ledger.removals import LeftAlones, Removals
from berthmaster.security_groups.model.origins import RecordedOrigin
from berthmaster.security_groups.model.removals import (
    Candidate,
    Ground,
    LeftAlone,
    Origin,
    Proposal,
    Removal,
    RemovalState,
)
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from tests.support.security_groups.scene import REPORT, SecurityGroupsScene, a_security_groups_scene
from tests.support.security_groups.topology import OTHERS

CHANGE = "SecurityGroupsChangeFunction"
MINUTES = 1 / (24 * 60)
"""Of a day, as parameters have them."""
WINDOW, NOTICE, QUARANTINE = 45, 20, 30
"""In minutes."""
SHORT = {
    "SecurityGroupsWindowDays": WINDOW * MINUTES,
    "SecurityGroupsNoticeDays": NOTICE * MINUTES,
    "SecurityGroupsQuarantineDays": QUARANTINE * MINUTES,
}
OFFICE = "10.9.0.0/16"
"""From which nobody comes."""


@dataclass
class ChangeScene:
    """Groups `web` and `db`, of which the one calls the other; `unused` is a rule of `db` that nobody uses."""

    scene: SecurityGroupsScene
    used: str
    unused: str

    @property
    def ec2(self) -> Any:
        """EC2, for people."""
        return self.scene.cloud.client("ec2")

    @property
    def table(self) -> str:
        """The ledger's name."""
        return str(self.scene.berthmaster.template.identity("SecurityGroupsTable").name)

    @property
    def group(self) -> str:
        """The id of `db`."""
        return self.scene.groups["db"]

    def wait(self, minutes: float) -> None:
        """Let time pass; `web` calls `db` all the time, and somebody knocks at nothing."""
        while minutes > 0:
            self.scene.traffic.connect(self.scene.interfaces["web"], self.scene.interfaces["db"], 5432)
            self.scene.wait(60 * min(minutes, 5))
            minutes -= 5

    def until(self, state: RemovalState, minutes: float = 240) -> Removal:
        """Wait until the removal of the unused rule is so far."""
        for _ in range(int(minutes // 5)):
            removal = self.removal()
            if removal and removal.state is state:
                return removal
            self.wait(5)
        found = self.removal()
        raise AssertionError(f"it is {found.state}: {found.note}" if found else "nothing was announced")

    def state(self) -> RemovalState | None:
        """Of the unused rule's removal."""
        removal = self.removal()
        return removal.state if removal else None

    def quarantine(self) -> None:
        """The unused rule, as if it had been announced and approved."""
        found = TopologyReader(self.ec2, self.scene.cloud.clock).of(groups=[self.group]).seen[self.unused]
        assert isinstance(found, Rule)
        now = self.scene.cloud.clock.now()
        self.removals.save(
            Removal(
                candidate=Candidate(
                    rule=found, vpc=self.scene.vpc, ground=Ground.UNUSED, why="nothing used it", since=0, until=1
                ),
                origin=Origin.PEOPLE,
                state=RemovalState.APPROVED,
                announced_at=now - timedelta(days=7),
                changed_at=now,
                due_at=now,
                intended_at=now,
            )
        )
        self.until(RemovalState.QUARANTINED)

    def removal(self, rule: str = "") -> Removal | None:
        """What the ledger has of a rule's removal."""
        return self.removals.get(self.group, rule or self.unused)

    @property
    def removals(self) -> Removals:
        """Those of the ledger."""
        return Removals(self.scene.cloud.client("dynamodb"), self.table)

    def proposals(self) -> list[Proposal]:
        """Those of the ledger."""
        return Proposals(self.scene.cloud.client("dynamodb"), self.table).all()

    def left_alone(self) -> list[LeftAlone]:
        """What is left alone."""
        return LeftAlones(self.scene.cloud.client("dynamodb"), self.table).all()

    def described(self, rule: str = "") -> dict[str, Any]:
        """A rule as EC2 has it; empty if it is gone."""
        found = self.ec2.describe_security_group_rules()["SecurityGroupRules"]
        return dict(next((one for one in found if one["SecurityGroupRuleId"] == (rule or self.unused)), {}))

    def made_by(self, origin: Origin, rule: str = "") -> None:
        """What CloudTrail has shown of who made a rule."""
        recorded = RecordedOrigin(id=rule or self.unused, origin=origin, at=self.scene.cloud.clock.now())
        Origins(self.scene.cloud.client("dynamodb"), self.table).record([recorded])

    def visitor(self) -> str:
        """An interface with an address of the office."""
        scene = self.scene
        self.ec2.associate_vpc_cidr_block(VpcId=scene.vpc, CidrBlock=OFFICE)
        self.wait(5)
        subnet = self.ec2.create_subnet(VpcId=scene.vpc, CidrBlock=OFFICE.replace("/16", "/24"))["Subnet"]["SubnetId"]
        made = self.ec2.create_network_interface(SubnetId=subnet, Groups=[scene.groups["web"]])
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def tag(self, resource: str, key: str, value: str) -> None:
        """People tag something."""
        self.ec2.create_tags(Resources=[resource], Tags=[{"Key": key, "Value": value}])

    def tick(self) -> None:
        """The schedule's event."""
        self.scene.berthmaster.invoke(CHANGE, {})


@contextmanager
def a_change_scene(
    mode: str = "enforce",
    *,
    origin: Origin = Origin.PEOPLE,
    unscheduled: Collection[str] = (*OTHERS, REPORT),
    **parameters: Any,
) -> Iterator[ChangeScene]:
    """Open the scene: the used and the unused rule are as old as the scene. origin: who made the unused one."""
    given = {key: str(value) for key, value in {**SHORT, **parameters}.items()}
    with a_security_groups_scene(mode=mode, unscheduled=unscheduled, **given) as scene:
        scene.cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = 60
        scene.manage("db", owner="payments")
        found = ChangeScene(scene, scene.allow("db", 5432, "web"), scene.allow("db", 22, OFFICE))
        found.made_by(origin)
        yield found
