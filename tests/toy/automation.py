"""A toy automation on the shared machinery: gives a subnet without a name one, once an operator approves.

Nothing in it is plumbing: what a new automation writes is its nouns, its triggers, and what it does.
"""

import os
from dataclasses import dataclass, replace

from msgspec import Struct

from berthmaster import envelope, settings
from berthmaster.approval import Decision, command, decision_parsers, stamp
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Items
from berthmaster.modes import Mode
from berthmaster.notices import Notice, Notices
from berthmaster.proposals import Outcome
from berthmaster.requests import refused
from berthmaster.settings import Text
from berthmaster.switch import Switch, SwitchRequest, switch_parsers


class Settings(Struct, frozen=True, kw_only=True):
    toy_table: Text
    toy_mode: Mode
    event_bus: Text
    topic_arn: Text


class SubnetCreated(Struct, frozen=True):
    subnet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    sort_key: str
    subnet: str
    state: str = "proposed"
    version: int = 0


PARSERS: envelope.Parsers[SubnetCreated | Decision | SwitchRequest] = {
    ("aws.toy", "Subnet Created"): lambda event: event.as_(SubnetCreated),
    **decision_parsers("toy"),
    **switch_parsers("toy"),
}


class NameSubnets:
    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._settings = settings.read(os.environ, Settings)
        table, mode = self._settings.toy_table, self._settings.toy_mode
        self._clients, self._clock = clients, clock
        self._proposals = Items(clients.dynamodb, table, "proposal", Proposal)
        self._switch = Switch(clients.dynamodb, clock, table=table, automation="toy", mode=mode)
        self._notices = Notices(clients, bus=self._settings.event_bus, topic_arn=self._settings.topic_arn)

    def handle(self, body: str) -> None:
        match envelope.parse(body, PARSERS):
            case SwitchRequest() as request:
                self._notices.publish([self._switch.apply(request)])
            case Decision() as decision:
                self._notices.publish([self._decide(decision)])
            case SubnetCreated() as created if not self._switch.reason():
                self._propose(created.subnet)

    def _propose(self, subnet: str) -> None:
        proposal = Proposal(sort_key=f"toy.{subnet}.{stamp(self._clock.now())}", subnet=subnet)
        region = self._clients.ec2.meta.region_name
        approve = command(self._settings.event_bus, region, "Proposal Approved", proposal=proposal.sort_key)
        detail = {"proposal": proposal.sort_key, "subnet": subnet}
        self._proposals.save(proposal)
        self._notices.publish([Notice("Name Proposed", detail, (subnet,), subject=f"name {subnet}?", text=approve)])

    def _decide(self, decision: Decision) -> Notice:
        proposal = self._proposals.get(decision.proposal)
        reason = self._switch.reason() or ("" if proposal else "it is not known")
        if reason or proposal is None:
            return refused(decision, reason)
        if decision.outcome is Outcome.APPROVED:
            self._clients.ec2.create_tags(Resources=[proposal.subnet], Tags=[{"Key": "Name", "Value": "toy"}])
        self._proposals.save(replace(proposal, state=decision.outcome))
        return Notice(f"Name {decision.outcome.title()}", {"subnet": proposal.subnet}, (proposal.subnet,))
