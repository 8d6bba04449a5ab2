"""The timeline of a run: what failed, and what Berthmaster decided and did, with its own reasons."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from berthmaster.envelope import SOURCE
from simulator.aws.ec2.lookup import find_subnet
from simulator.demo.capacity.outcome import Entry, Expansion, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.aws.events.bus import SeenEvent
    from simulator.calls import Call
    from simulator.cloud import Cloud
    from simulator.workload.services import FailedTask, Workload

type Detail = Mapping[str, Any]

ENDS = {"Expansion Completed": Kind.DONE, "Expansion Failed": Kind.NOTICE, "Expansion Impossible": Kind.NOTICE}


class Chronicle:
    """Makes entries from the events on the buses, the recorded calls and the failed launches."""

    def __init__(self, cloud: Cloud, workload: Workload) -> None:
        self._cloud = cloud
        self._workload = workload
        self._events = 0
        self._calls = 0
        self._needs: dict[str, tuple[float, str]] = {}
        self._has_failed = False
        self.entries: list[Entry] = []
        self.expansions: list[Expansion] = []

    def read_on(self) -> list[Entry]:
        """The entries since the last call, in order of time."""
        news = [*self._failures(), *self._decisions(), *self._changes()]
        news.sort(key=lambda entry: entry.at)
        self.entries += news
        return news

    def _failures(self) -> Iterator[Entry]:
        if self._workload.failed and not self._has_failed:
            self._has_failed = True
            first = self._workload.failed[0]
            yield Entry(first.at, Kind.FAILURE, f"first failed launch: {self._failure(first)}")

    def _failure(self, failed: FailedTask) -> str:
        zone = find_subnet(self._cloud, failed.subnet_id).availability_zone
        return f"a task of {failed.service} found no free address in {zone}"

    def _decisions(self) -> Iterator[Entry]:
        seen = self._cloud.buses.seen[self._events :]
        self._events += len(seen)
        for one in seen:
            if one.event["source"] == SOURCE:
                yield from self._decision(one)

    def _decision(self, seen: SeenEvent) -> Iterator[Entry]:
        at, kind, detail = _time(seen), seen.event["detail-type"], seen.event["detail"]
        if kind == "Room Needed":
            for short in detail["subnets"]:
                if short["zone"] not in self._needs:
                    self._needs[short["zone"]] = at, short["reason"]
                    yield Entry(at, Kind.NEED, f"more addresses needed in {short['zone']}: {short['reason']}")
        elif kind in ENDS:
            expansion = self._expansion(at, detail)
            self.expansions.append(expansion)
            self._needs.clear()
            yield Entry(at, ENDS[kind], _ending(kind, detail, expansion))
        else:
            yield Entry(at, Kind.NOTICE, f"{kind.lower()}: {detail.get('note') or detail.get('reason') or ''}")

    def _expansion(self, at: float, detail: Detail) -> Expansion:
        zones = {subnet["zone"] for subnet in detail["subnets"]}
        needs = {zone: self._needs[zone] for zone in sorted(zones & self._needs.keys())}
        return Expansion(
            began=min((since for since, _ in needs.values()), default=at),
            ended=at,
            reasons=tuple(f"{zone}: {reason}" for zone, (_, reason) in needs.items()),
            steps=tuple(detail["steps"]),
            warnings=tuple(detail["warnings"]),
            text=detail["message"],
        )

    def _changes(self) -> Iterator[Entry]:
        calls = self._cloud.calls.all[self._calls :]
        self._calls += len(calls)
        for call in calls:
            if call.is_by_function and call.outcome == "ok" and (text := _change(call)):
                yield Entry(call.at, Kind.CHANGE, text)


def _change(call: Call) -> str:
    params = call.params
    if call.name == "ec2:AssociateVpcCidrBlock":
        return f"associated {params['CidrBlock']} with the VPC"
    if call.name == "ec2:CreateSubnet":
        return f"created subnet {params['CidrBlock']} in {params['AvailabilityZone']}"
    if call.name == "ecs:UpdateService":
        subnets = params["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
        return (
            f"updated service {params['service'].rpartition('/')[2]}: its tasks can now start in {len(subnets)} subnets"
        )
    return ""


def _ending(kind: str, detail: Detail, expansion: Expansion) -> str:
    minutes = round((expansion.ended - expansion.began) / 60)
    subnets = ", ".join(f"{subnet['cidr']} in {subnet['zone']}" for subnet in detail["subnets"])
    if kind == "Expansion Completed":
        return f"expansion completed after {minutes} min: {subnets}"
    return f"{kind.lower()}: {detail['note'] or '; '.join(detail['obstacles'])}"


def _time(seen: SeenEvent) -> float:
    return datetime.strptime(seen.event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
