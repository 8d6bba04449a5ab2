"""Objects of VPC flow logs in S3: what their keys say, and whether they are what they say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from berthmaster.security_groups.model.topology import FlowLog

# As the user guide of VPC shows both layouts, "Flow log files"; a log of an organization has its id before the account.
_FOLDERS = re.compile(
    r"(?:(?P<prefix>.+)/)?AWSLogs/(?:o-[a-z0-9]+/)?"
    r"(?:(?P<account>\d{12})/vpcflowlogs/(?P<region>[a-z0-9-]+)"
    r"|aws-account-id=(?P<hive_account>\d{12})/aws-service=vpcflowlogs/aws-region=(?P<hive_region>[a-z0-9-]+))"
    r"/(?:[^/]+/)+"
)
_NAME = re.compile(
    r"(?P<account>\d{12})_vpcflowlogs_(?P<region>[a-z0-9-]+)_(?P<log>fl-[0-9a-f]+)_(?P<time>\d{8}T\d{4}Z)_\w+"
    r"(?P<suffix>\.log\.gz|\.log\.parquet|\.parquet|\.log)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogObject:
    """An object as an event or a listing names it, with what its key says.

    time: of the five minutes that it holds, in seconds since the epoch. prefix: what the flow log's destination adds.
    """

    bucket: str
    key: str
    etag: str
    size: int
    account: str
    region: str
    log: str
    time: float
    prefix: str = ""

    @property
    def name(self) -> str:
        """What its evidence is found by, as long as its content is the same."""
        digest = sha256(f"{self.bucket}\n{self.key}\n{self.etag}".encode()).hexdigest()
        return f"{self.log}-{digest[:32]}"

    @property
    def day(self) -> str:
        """Of its records, in UTC, as in 2026-11-22."""
        return f"{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d}"

    @property
    def file_name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]


def log_object(bucket: str, key: str, etag: str, size: int) -> LogObject | None:
    """What the key of an object says; None if it is no key of a flow log."""
    folder, _, name = key.rpartition("/")
    folders, named = _FOLDERS.fullmatch(f"{folder}/"), _NAME.fullmatch(name)
    if folders is None or named is None:
        return None
    account = folders["account"] or folders["hive_account"]
    region = folders["region"] or folders["hive_region"]
    if (account, region) != (named["account"], named["region"]):
        return None
    try:
        time = datetime.strptime(named["time"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return LogObject(
        bucket=bucket,
        key=key,
        etag=etag,
        size=size,
        account=account,
        region=region,
        log=named["log"],
        time=time.timestamp(),
        prefix=folders["prefix"] or "",
    )


def disbelief(found: LogObject, logs: Mapping[str, FlowLog]) -> str:
    """Why an object is not what its key says; empty if it is. logs: as DescribeFlowLogs has them.

    Whoever may write to the bucket may write a file that makes a rule look used, or covers a hole.
    """
    log = logs.get(found.log)
    if log is None:
        return f"{found.log} is no flow log of this account and Region"
    bucket, _, prefix = log.destination.rpartition(":::")[2].partition("/")
    if bucket != found.bucket or prefix.strip("/") != found.prefix.strip("/"):
        return f"{found.log} does not deliver there, but to {log.destination}"
    return ""
