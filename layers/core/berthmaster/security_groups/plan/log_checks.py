"""What the flow logs of each VPC allow to be proved, and what they lack."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.model.observations import Subject
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.model.tags import MANAGED, TAG
from berthmaster.security_groups.model.topology import FlowLog, Interface
from berthmaster.security_groups.plan.completeness import USEFUL_FIELDS

NEEDED_FIELDS = ("interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action")
"""Without these, records say nothing of rules."""
S3_ARN = ":s3:::"


def log_findings(state: Mapping[str, Subject], buckets: Collection[str]) -> list[Finding]:
    """What keeps the rules of a VPC from being judged; of VPCs with a managed group, and of logs that are read.

    buckets: ARNs of those from which flow logs are read.
    """
    logs = [one for one in state.values() if isinstance(one, FlowLog)]
    vpcs = {one.vpc for one in state.values() if isinstance(one, Group) and (TAG, MANAGED) in one.tags}
    read = [one for one in logs if _bucket(one) in buckets]
    found = [finding for one in read for finding in _of_log(one)]
    found += [finding for vpc in sorted(vpcs - {""}) for finding in _of_vpc(vpc, state, logs, read)]
    return found


def _of_log(log: FlowLog) -> Iterator[Finding]:
    where = f"of {log.resource}"
    if not log.is_active or log.failure:
        reason = log.failure or "it is not active"
        yield Finding(log.id, "flow log fails", f"{where} delivers nothing: {reason}")
    if log.traffic_type == "REJECT":
        text = f"{where} logs REJECT only: accepted traffic, which shows that rules are used, is not in it"
        yield Finding(log.id, "flow log without accepted traffic", text)
    needed = [name for name in NEEDED_FIELDS if name not in log.fields]
    if needed:
        yield Finding(log.id, "flow log lacks needed fields", f"{where} lacks {', '.join(needed)}: it is of no use")
        return
    missing: dict[str, list[str]] = defaultdict(list)
    for name, why in USEFUL_FIELDS.items():
        if name not in log.fields:
            missing[why].append(name)
    for why, names in missing.items():
        yield Finding(log.id, "flow log lacks fields", f"{where} lacks {', '.join(names)}: {why}")


def _of_vpc(
    vpc: str, state: Mapping[str, Subject], logs: Iterable[FlowLog], read: Collection[FlowLog]
) -> Iterator[Finding]:
    useful = {one.resource for one in read if one.is_active and not one.failure and one.traffic_type != "REJECT"}
    interfaces = [one for one in state.values() if isinstance(one, Interface) and one.vpc == vpc]
    bare = [one for one in interfaces if not useful & {one.id, one.subnet, one.vpc}]
    if vpc in useful or (interfaces and not bare):
        return
    elsewhere = [one for one in logs if one.resource == vpc and one not in read]
    if elsewhere:
        places = ", ".join(sorted({one.destination for one in elsewhere}))
        text = f"its flow logs go to {places}, and none to a bucket in FlowLogBuckets: its rules stay unknown"
        yield Finding(vpc, "flow logs are not read", text)
    elif len(bare) < len(interfaces):
        text = f"{len(bare)} of {len(interfaces)} interfaces have no flow log that shows accepted traffic"
        yield Finding(vpc, "interfaces without a flow log", f"{text}: rules of their groups stay unknown")
    else:
        text = "no flow log shows accepted traffic of it: the rules of its managed groups stay unknown"
        yield Finding(vpc, "no flow log", text)


def _bucket(log: FlowLog) -> str:
    """The ARN of the bucket to which a flow log goes; "" if it goes elsewhere."""
    return log.destination.partition("/")[0] if S3_ARN in log.destination else ""
