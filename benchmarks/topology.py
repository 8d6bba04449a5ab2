"""Recording who had which address, group and rule: calls of a survey of 20,000 interfaces, and what it costs to read.

50,000 rules in 2,500 groups are what a Region's quotas allow; a twentieth of the interfaces are others an hour later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.fleet import settle
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.security_groups.ledger.topology_codec import decoded, encoded
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.observations import Kind
from berthmaster.security_groups.model.topology import Interface
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.plan.topology_changes import changes_between
from simulator.cloud import Cloud

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from berthmaster.security_groups.model.observations import Observation

GROUPS, RULES = 2_500, 20
BUCKET = "evidence"
AIM = 100
"""Calls of EC2 in a survey."""
POLLS_A_DAY = 288
CHANGED_AN_HOUR = 20
"""One interface in so many is another after an hour."""
POLLS_AN_HOUR = 12
PUT, LIST_OR_GET = 0.0054 / 1000, 0.00043 / 1000
"""Dollars, of S3 in eu-central-1. LIST costs as much as PUT."""
LISTS_A_POLL = 4


@dataclass(frozen=True)
class Report:
    """calls: by operation. sizes: bytes of recorded objects. seconds: of CPU, by step. dollars: of S3, a month."""

    calls: Counter[str]
    subjects: int
    sizes: dict[str, int]
    seconds: dict[str, float]
    dollars: float


def report() -> Report:
    """Survey the account once, and once more after five minutes' changes; then read a day of such records."""
    with Cloud(seed=5, subnet_delay=0) as cloud:
        fleet = settle(cloud)
        cloud.handlers["ec2:DescribeNetworkInterfaces"] = lambda *_: {"NetworkInterfaces": fleet.interfaces}
        _fill(cloud)
        cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        before = len(cloud.calls)
        complete = TopologyReader(Clients().ec2, Clock()).everything({})
        calls = cloud.calls.since(before).counts()
        return _measured(cloud, complete, calls)


def _measured(cloud: Cloud, complete: Observation, calls: Counter[str]) -> Report:
    seconds: dict[str, float] = {}
    later = _later(complete, 1)
    changed, gone = _timed(seconds, "compare with the survey before", lambda: changes_between(complete.seen, later))
    changes = replace(later, kind=Kind.CHANGES, previous="-", seen=changed, gone=gone)
    sizes = {}
    for name, one in (("first survey of a day", complete), ("survey every five minutes", changes)):
        body = _timed(seconds, f"write: {name}", partial(encoded, {"": [one]}))
        sizes[name] = len(body)
        _timed(seconds, f"parse: {name}", partial(decoded, "", body))
    store = TopologyStore(cloud.client("s3"), BUCKET)
    begun = datetime.fromtimestamp(complete.begun, UTC)
    previous = store.put([complete], begun)
    for poll in range(1, POLLS_A_DAY):
        at = begun + timedelta(minutes=5 * poll)
        before, now = _later(complete, poll - 1), _later(complete, poll)
        seen, gone = changes_between(before.seen, now)
        one = replace(changes, begun=now.begun, ended=now.ended, previous=previous, seen=seen, gone=gone)
        previous = store.put([one], at)
    day = TopologyStore(cloud.client("s3"), BUCKET)
    end = begun + timedelta(minutes=5 * POLLS_A_DAY)
    _timed(seconds, "read a day, by a new container", partial(day.load, begun, end))
    store.put([replace(changes, begun=end.timestamp(), ended=end.timestamp() + 20, previous=previous)], end)
    _timed(seconds, "read it again after the next survey", partial(day.load, begun, end))
    puts = (POLLS_A_DAY * (1 + LISTS_A_POLL) + 24) * 30
    return Report(calls, len(complete.seen), sizes, seconds, puts * PUT + POLLS_A_DAY * 30 * LIST_OR_GET)


def _later(complete: Observation, polls: int) -> Observation:
    """The account after some polls: some interfaces are gone, and others there instead."""
    seen = dict(complete.seen)
    interfaces = [key for key in seen if key.startswith("eni-")]
    for key in interfaces[: polls * len(interfaces) // (CHANGED_AN_HOUR * POLLS_AN_HOUR) % len(interfaces)]:
        new, old = f"eni-{key[::-1].partition('-')[0]}", seen.pop(key)
        if isinstance(old, Interface):
            seen[new] = replace(old, id=new)
    return replace(complete, seen=seen, begun=complete.begun + 300 * polls, ended=complete.ended + 300 * polls)


def _timed[Result](seconds: dict[str, float], name: str, step: Callable[[], Result]) -> Result:
    begun = time.process_time()
    result = step()
    seconds[name] = time.process_time() - begun
    return result


def _fill(cloud: Cloud) -> None:
    """Groups in the VPCs of the fleet, each with its rules."""
    ec2: Any = cloud.client("ec2")
    vpcs = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]]
    for number in range(GROUPS):
        name = f"service-{number}"
        vpc = vpcs[number % len(vpcs)]
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        ranges = [{"CidrIp": f"10.{number % 256}.{rule}.0/24", "Description": name} for rule in range(RULES - 1)]
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": ranges}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])


def printed(found: Report) -> Iterator[str]:
    """Calls, sizes, times."""
    for name, count in sorted(found.calls.items(), key=lambda one: (-one[1], one[0])):
        yield f"  {name:44s}{count:8d}"
    yield f"{f'calls of a survey (aim: fewer than {AIM})':46s}{found.calls.total():8d}"
    yield f"{'interfaces, groups, rules and the rest':46s}{found.subjects:8d}"
    for name, size in found.sizes.items():
        yield f"{f'kB in S3, {name}':46s}{size / 1000:8.0f}"
    for name, seconds in found.seconds.items():
        yield f"{f'CPU seconds: {name}':46s}{seconds:8.2f}"
    yield f"{'dollars a month for requests to S3':46s}{found.dollars:8.2f}"
    yield f"Objects a day: {POLLS_A_DAY} of surveys, 24 that fold an hour, and one for each batch of events."
