"""The cycle of capacity_watch: measure, remember, forecast, and say who needs room."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from berthmaster.bus import Bus, Event
from berthmaster.capacity.ledger.expansions import Expansion, Expansions
from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.ledger.series import UsageHistory
from berthmaster.capacity.model import VpcSnapshot
from berthmaster.capacity.observe import snapshot as observe
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.plan.demand import Assessment, assess
from berthmaster.capacity.report.metrics import publish_fleet, publish_vpc
from berthmaster.capacity.settings import WatchSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.lease import Leases
from berthmaster.telemetry import logger


@dataclass(frozen=True, slots=True)
class Assessed:
    """One VPC and how its groups of subnets stand."""

    snapshot: VpcSnapshot
    assessments: tuple[Assessment, ...]

    @property
    def short(self) -> tuple[Assessment, ...]:
        """The groups that need room."""
        return tuple(assessment for assessment in self.assessments if assessment.needs_room)


class Watch:
    """What capacity_watch does every five minutes."""

    def __init__(self, settings: WatchSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._inventory = Inventory(clients, settings.capacity_table)
        self._history = History(clients.dynamodb, settings.capacity_table)
        self._expansions = Expansions(clients.dynamodb, settings.capacity_table)
        self._leases = Leases(clients.dynamodb, settings.capacity_table)
        self._bus = Bus(clients, settings.event_bus)

    def cycle(self) -> dict[str, Any]:
        """Look at every managed VPC once. Whatever fails is raised at the end, when the rest is done."""
        now = self._clock.now()
        problems: list[Exception] = []
        summary: dict[str, Any] = {}
        with _going_on(problems, "the fleet was not watched"):
            summary |= self._watch_fleet(now, problems)
        with _going_on(problems, "stalled expansions were not looked for"):
            summary["expansions_stalled"] = len(self._resume_stalled(now))
        logger.info("cycle completed", problems=len(problems), **summary)
        if problems:
            raise ExceptionGroup("the cycle was completed, but for this", problems)
        return summary

    def _watch_fleet(self, now: datetime, problems: list[Exception]) -> dict[str, Any]:
        snapshots = observe.fleet(self._clients, now, self._inventory)
        problems += self._inventory.failures
        publish_fleet("ManagedVpcs", len(snapshots))
        with _going_on(problems, "the sample was not recorded"):
            self._history.record(now, snapshots)
        assessed = self._assess(snapshots, self._history.load(now), problems)
        short = [one for one in assessed if one.short]
        publish_fleet("VpcsShortOfRoom", len(short))
        for one in assessed:
            publish_vpc(one.snapshot, one.assessments, self._settings.capacity_metrics)
        for one in short:
            logger.warning("room needed", **_in_words(one))
        with _going_on(problems, "not all that need room were told of"):
            self._bus.publish([_room_needed(one) for one in short])
        return {
            "vpcs": len(snapshots),
            "subnets": sum(len(snapshot.subnets) for snapshot in snapshots),
            "vpcs_short_of_room": len(short),
        }

    def _assess(
        self, snapshots: Sequence[VpcSnapshot], history: UsageHistory, problems: list[Exception]
    ) -> list[Assessed]:
        assessed = []
        for snapshot in snapshots:
            with _going_on(problems, "a VPC was not assessed", vpc=snapshot.vpc_id):
                assessed.append(Assessed(snapshot, assess(snapshot, history)))
        return assessed

    def _resume_stalled(self, now: datetime) -> list[Expansion]:
        """Have expansions carried on that were begun and that nobody is working on."""
        stalled = [one for one in self._expansions.unfinished() if not self._is_looked_after(one.vpc_id, now)]
        self._bus.publish(
            [Event("Expansion Stalled", {"expansion": one.id, "vpc": one.vpc_id}, (one.vpc_id,)) for one in stalled]
        )
        for one in stalled:
            logger.warning("expansion stalled", expansion=one.id, vpc=one.vpc_id, state=one.state)
        return stalled

    def _is_looked_after(self, vpc_id: str, now: datetime) -> bool:
        lease = self._leases.look(vpc_id)
        return lease is not None and lease.is_looked_after(now)


@contextmanager
def _going_on(problems: list[Exception], what: str, **where: Any) -> Iterator[None]:
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - raised when the rest of the cycle is done
        logger.error(what, error=repr(problem), **where)
        problems.append(problem)


def _room_needed(one: Assessed) -> Event:
    vpc_id = one.snapshot.vpc_id
    return Event(
        "Room Needed", {"vpc": vpc_id, "subnets": [_shortage(assessment) for assessment in one.short]}, (vpc_id,)
    )


def _shortage(assessment: Assessment) -> Mapping[str, Any]:
    hours = assessment.hours_pessimistic
    return {
        "subnet": assessment.group.origin.id,
        "zone": assessment.group.origin.zone,
        "free": assessment.group.free,
        "hours": None if hours is None else round(hours, 1),
        "reason": assessment.reason,
    }


def _in_words(one: Assessed) -> dict[str, Any]:
    held = one.snapshot.occupancy
    return {
        "vpc": one.snapshot.vpc_id,
        "subnets": [
            {
                **_shortage(assessment),
                "committed": assessment.promised.committed,
                "surge": assessment.promised.surge,
                "holders": {subnet: held[subnet].holders for subnet in sorted(assessment.group.ids) if subnet in held},
            }
            for assessment in one.short
        ],
        "cidrs_left": one.snapshot.cidrs_left,
        "subnets_left": one.snapshot.subnets_left,
    }
