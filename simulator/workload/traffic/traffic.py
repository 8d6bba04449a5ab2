"""Connections of a simulated account, opened on demand."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2 import network_acls
from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from simulator.aws.ec2.flow_logs.delivery import FlowLogs
from simulator.aws.ec2.flow_logs.packets import ICMP, TCP, Packets, Place
from simulator.aws.ecs.task import Task
from simulator.workload.traffic.connections import Answer, Connection, Outcome, Side
from simulator.workload.traffic.groups import ICMPV6, Opening, Party, holds
from simulator.workload.traffic.tracking import Timeouts, admit, lets_replies_pass

if TYPE_CHECKING:
    from simulator.account import Account, Params, Parsed
    from simulator.cloud import Cloud

type End = Task | Party | str
"""A task, an interface by its id, an address, or both as a `Party`."""

EPHEMERAL = 32768, 60999
RETRIES, RETRIES_LAST = 4, 7.0
"""How often a packet that meets no answer is sent, and for how many seconds: Linux's SYN retries at first."""
ON_THE_WAY = 0.001
SYN, SYN_ACK, FIN, RST = 2, 18, 1, 4
ECHO_REPLY = 0, 0
CHANGES = (
    *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "ModifySecurityGroupRules", "ModifyManagedPrefixList"),
    *("ModifyNetworkInterfaceAttribute", "DeleteNetworkInterface", "UnassignPrivateIpAddresses"),
    *network_acls.CHANGES,
)
"""EC2's operations after which a connection may be over."""


class Traffic:
    """The connections of one account.

    >>> traffic = Traffic(cloud)
    >>> traffic.connect(task, other_task, 5432, lasts=3600, every=10).outcome
    <Outcome.ANSWERED: 'answered'>

    connections: all that were opened or tried, oldest first. timeouts: of connection tracking, of interfaces without
    any of their own.
    """

    def __init__(self, cloud: Cloud, *, timeouts: Timeouts | None = None) -> None:
        self.connections: list[Connection] = []
        self.timeouts = timeouts or Timeouts()
        self._cloud = cloud
        self._logs = cloud.state(FlowLogs)
        self._random = Random(f"{cloud.seed}:traffic")
        self._places: dict[str, Place] = {}
        self._live: list[Connection] = []
        for operation in CHANGES:
            cloud.add_patch(f"ec2:{operation}", self._changed)
        cloud.tasks.watchers.append(self._task_changed)

    def connect(
        self,
        source: End,
        destination: End,
        port: int = 0,
        *,
        protocol: int = TCP,
        lasts: float = 1.0,
        every: float = 0.0,
        size: int = 400,
        answer: Answer = Answer.YES,
        closes: bool = True,
        source_port: int = 0,
        icmp: tuple[int, int] = (8, 0),
    ) -> Connection:
        """Open a connection now, that lasts so many seconds with a packet each way every so many.

        size: bytes of a packet. closes: with FIN, rather than by nothing. icmp: type and code of an ICMP request.
        """
        now = self._cloud.clock.timestamp()
        one, other = self.party(source), self.party(destination)
        is_icmp = protocol in (ICMP, ICMPV6)
        opening = Opening(protocol, 0 if is_icmp else port, icmp)
        connection = Connection(
            source=one,
            destination=other,
            opening=opening,
            source_port=0 if is_icmp else source_port or self._random.randint(*EPHEMERAL),
            opened=now,
            ends=now + lasts,
            every=every or lasts or 1.0,
            outcome=Outcome.ANSWERED,
        )
        self.connections.append(connection)
        connection.outcome = self._open(connection, answer)
        if connection.outcome is not Outcome.ANSWERED:
            self._try(connection, connection.outcome)
            return connection
        is_tcp = protocol == TCP
        count = max(4 if is_tcp else 1, int(lasts / connection.every) + 1)
        first, reply = (SYN, SYN_ACK) if is_tcp else (0, 0)
        last = FIN if is_tcp and closes else 0
        self._send(connection, now, lasts, count, size=size, flags=(first, last))
        self._send(connection, now + ON_THE_WAY, lasts, count, size=size, flags=(reply, last), back=True)
        self._live.append(connection)
        return connection

    def live(self) -> list[Connection]:
        """The connections that are open now."""
        now = self._cloud.clock.timestamp()
        return [one for one in self._live if one.ends > now]

    def party(self, end: End) -> Party:
        """One end of a connection."""
        if isinstance(end, Party):
            return end
        if isinstance(end, Task):
            return Party(end.address, end.eni)
        interfaces = self._cloud.state(Interfaces)
        if end.startswith("eni-"):
            return Party(interfaces[end].private_ip_address, interfaces[end])
        return Party(end, self._holder(end) if ip_address(end).is_private else None)

    # What interfaces see

    def _open(self, connection: Connection, answer: Answer) -> Outcome:
        """Ask the groups of both ends."""
        source, destination = connection.source, connection.destination
        for own, peer, is_ingress in ((source, destination, False), (destination, source, True)):
            if own.eni is None:
                continue
            admission = admit(self._cloud, own, peer, connection.opening, is_ingress=is_ingress)
            side = Side(own=own, peer=peer, is_ingress=is_ingress, admission=admission)
            side.is_denied, side.denies_replies = self._denied(connection, side)
            connection.sides.append(side)
            if side.is_denied or not admission.rules:
                return Outcome.REJECTED_AT_DESTINATION if is_ingress else Outcome.REJECTED_AT_SOURCE
        if answer is Answer.YES and any(side.denies_replies for side in connection.sides):
            return Outcome.UNANSWERED
        return {Answer.YES: Outcome.ANSWERED, Answer.REFUSES: Outcome.REFUSED, Answer.NONE: Outcome.UNANSWERED}[answer]

    def _denied(self, connection: Connection, side: Side) -> tuple[bool, bool]:
        """Whether the network ACL of a side's subnet refuses what opens a connection, and what answers it."""
        own, peer, opening = side.own.eni, side.peer, connection.opening
        if peer.eni is not None and peer.eni.subnet.id == own.subnet.id:
            return False, False
        request, reply = (opening.port, opening.icmp), (connection.source_port, ECHO_REPLY)
        is_denied, denies_replies = (
            network_acls.refuses(
                self._cloud,
                own.subnet.id,
                peer.address,
                is_ingress=is_ingress,
                protocol=opening.protocol,
                port=port,
                icmp=icmp,
            )
            for (port, icmp), is_ingress in ((request, side.is_ingress), (reply, not side.is_ingress))
        )
        return is_denied, denies_replies

    def _try(self, connection: Connection, outcome: Outcome) -> None:
        """An attempt that fails: some packets, and perhaps RST."""
        now = connection.opened
        is_tcp = connection.opening.protocol == TCP
        flags = (SYN, SYN) if is_tcp else (0, 0)
        is_refused = outcome is Outcome.REFUSED
        count, lasts = (1, 0.0) if is_refused else (RETRIES, RETRIES_LAST)
        self._send(connection, now, lasts, count, flags=flags)
        connection.ends = now + lasts
        if is_refused and is_tcp:
            self._send(connection, now + ON_THE_WAY, 0.0, 1, flags=(RST, RST), back=True)
        denying = next((side for side in reversed(connection.sides) if side.denies_replies), None)
        if outcome is Outcome.UNANSWERED and denying:
            answers = (SYN_ACK, SYN_ACK) if is_tcp else (0, 0)
            self._send(connection, now + ON_THE_WAY, lasts, count, flags=answers, back=True, rejected_by=denying)

    def _send(
        self,
        connection: Connection,
        at: float,
        lasts: float,
        count: int,
        *,
        size: int = 60,
        flags: tuple[int, int] = (0, 0),
        back: bool = False,
        rejected_by: Side | None = None,
    ) -> None:
        """Packets that each interface on the way sees; one that rejects them is the last.

        back: from the destination to the source.
        """
        sender, receiver = connection.source, connection.destination
        ports = connection.source_port, connection.opening.port
        if back:
            sender, receiver, ports = receiver, sender, ports[::-1]
        sides = reversed(connection.sides) if back else connection.sides
        for delay, side in enumerate(sides):
            is_accepted = bool(side.admission.rules) and not side.is_denied and side is not rejected_by
            packets = Packets(
                place=self._place(side.own.eni),
                is_ingress=side.is_ingress is not back,
                source=sender.address,
                destination=receiver.address,
                source_port=ports[0],
                destination_port=ports[1],
                protocol=connection.opening.protocol,
                is_accepted=is_accepted,
                first=at + delay * ON_THE_WAY,
                last=at + delay * ON_THE_WAY + lasts,
                count=count,
                size=size,
                flags=flags,
            )
            side.packets.append(packets)
            self._logs.see(packets)
            if not is_accepted:
                return

    def _place(self, eni: Any) -> Place:
        if eni.id not in self._places:
            task = self._cloud.tasks.occupant(eni.private_ip_address, eni.subnet.id)
            is_of_task = task is not None and task.eni is eni
            self._places[eni.id] = self._logs.place_of(eni, _facts(task) if task and is_of_task else {})
        return self._places[eni.id]

    def _holder(self, address: str) -> Any:
        interfaces = self._cloud.state(Interfaces).values()
        return next((eni for eni in interfaces if holds(eni, address)), None)

    # What ends connections

    def _changed(self, _: Account, __: Params, ___: Parsed) -> None:
        self._end_some()

    def _task_changed(self, task: Task) -> None:
        if task.desired_status == "STOPPED":
            self._end_some()

    def _end_some(self) -> None:
        """End the connections whose interface is gone, or whose packets pass no longer."""
        now = self._cloud.clock.timestamp()
        interfaces = self._cloud.state(Interfaces)
        self._live = self.live()
        for connection in self._live:
            if any(side.own.eni.id not in interfaces for side in connection.sides):
                connection.stop(now)
                continue
            for side in connection.sides:
                if self._breaks(connection, side):
                    self._break(connection, side)
                    break
        self._live = [one for one in self._live if not one.is_broken]

    def _breaks(self, connection: Connection, side: Side) -> bool:
        """Whether an interface lets a connection pass no longer: a tracked one lives until it is idle for too long."""
        opening, admission, account = connection.opening, side.admission, self._cloud
        if any(self._denied(connection, side)):
            return True
        own = account.state(ConnectionTracking).of(side.own.eni)
        if admission.is_tracked and connection.every <= self.timeouts.of(opening.protocol, own):
            return False
        if not admit(account, side.own, side.peer, opening, is_ingress=side.is_ingress).rules:
            return True
        reply = Opening(opening.protocol, connection.source_port, opening.icmp)
        return not admission.is_tracked and not lets_replies_pass(
            account, side.own, side.peer, reply, is_ingress=side.is_ingress
        )

    def _break(self, connection: Connection, side: Side) -> None:
        """What is sent from now on is rejected by an interface."""
        now = self._cloud.clock.timestamp()
        connection.stop(now)
        opening = connection.opening
        is_denied, _ = self._denied(connection, side)
        is_closed = is_denied or not admit(self._cloud, side.own, side.peer, opening, is_ingress=side.is_ingress).rules
        self._send(connection, now + 1, RETRIES_LAST, RETRIES, back=not is_closed, rejected_by=side)


def _facts(task: Task) -> dict[str, str]:
    """What records of version 7 say of a task's interface."""
    return {
        "ecs-cluster-arn": task.cluster_arn,
        "ecs-cluster-name": task.cluster,
        "ecs-service-name": task.service or "-",
        "ecs-task-definition-arn": task.definition.arn,
        "ecs-task-arn": task.arn,
        "ecs-task-id": task.id,
    }
