"""What keys of flow logs say, which of them are believed, and which dates a window saw."""

from datetime import UTC, date, datetime

import pytest

from berthmaster.security_groups.model.topology import FlowLog
from berthmaster.security_groups.plan.calendar import notes_on
from berthmaster.security_groups.plan.keeping import kept
from berthmaster.security_groups.plan.log_objects import disbelief, log_object

NAME = "123456789012_vpcflowlogs_eu-central-1_fl-0a1b_20261122T1155Z_5f60718a"
PLAIN = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/11/22/"
HIVE = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-central-1/year=2026/month=11/day=22/"
LOG = {"fl-0a1b": FlowLog(id="fl-0a1b", resource="vpc-1", destination="arn:aws:s3:::logs/of/web")}


@pytest.mark.parametrize("folder", [PLAIN, f"{PLAIN}11/", HIVE, f"{HIVE}hour=11/", f"AWSLogs/o-abc123/{PLAIN[8:]}"])
@pytest.mark.parametrize("suffix", [".log.gz", ".log.parquet"])
def test_both_layouts_are_understood(folder: str, suffix: str) -> None:
    found = log_object("logs", f"of/web/{folder}{NAME}{suffix}", "etag", 1)
    assert found
    assert (found.account, found.region, found.log, found.prefix) == (
        "123456789012",
        "eu-central-1",
        "fl-0a1b",
        "of/web",
    )
    assert (found.day, found.time) == ("2026-11-22", datetime(2026, 11, 22, 11, 55, tzinfo=UTC).timestamp())
    assert disbelief(found, LOG) == ""


@pytest.mark.parametrize(
    "key",
    [
        f"{NAME}.log.gz",
        f"{PLAIN}{NAME}.exe",
        f"{PLAIN}{NAME.replace('T1155', 'T2555')}.log.gz",
        f"{PLAIN.replace('123456789012', '210987654321')}{NAME}.log.gz",
        PLAIN,
    ],
)
def test_what_contradicts_itself_is_no_key_of_a_flow_log(key: str) -> None:
    assert log_object("logs", key, "etag", 1) is None


@pytest.mark.parametrize(("bucket", "prefix"), [("other", "of/web/"), ("logs", ""), ("logs", "of/web/2/")])
def test_an_object_elsewhere_is_not_believed(bucket: str, prefix: str) -> None:
    found = log_object(bucket, f"{prefix}{PLAIN}{NAME}.log.gz", "etag", 1)
    assert found
    assert "does not deliver there" in disbelief(found, LOG)


def test_a_window_says_which_ends_it_saw() -> None:
    def notes(*days: tuple[int, int, int]) -> tuple[str, ...]:
        first, last = (datetime(*day, tzinfo=UTC).timestamp() for day in days)
        return notes_on(first, last)

    month, quarter, year, dates = notes((2026, 9, 30), (2026, 11, 30))
    assert month == "the window saw the end of September 2026, October 2026"
    assert quarter == "the window saw the end of Q3 2026"
    assert year == "the window saw the end of no year: what happens once a year may not be in it"
    assert "from 30 September 2026 to 30 November 2026 only" in dates
    assert notes((2026, 12, 31), (2027, 1, 1))[2] == "the window saw the end of 2026"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("nightly export", "nightly export"),
        ("", "no reason is given"),
        ("audit, until 2026-11-22", "audit, until 2026-11-22"),
        ("audit, until 2026-11-21", ""),
        ("audit, until 2026-02-31", "audit, until 2026-02-31"),
    ],
)
def test_what_is_kept_is_kept_until_its_date(value: str, why: str) -> None:
    assert kept([("berthmaster:keep", value)], date(2026, 11, 22)) == why
    assert kept([], date(2026, 11, 22)) == ""
