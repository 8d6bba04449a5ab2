"""A claim that a worker writes on a file is seen by functions, and a file that they take from it is its no more."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from benchmarks.survey import size_of
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.files import Claim, File, State
from berthmaster.batch.plan.identity import file_id
from berthmaster.batch.plan.transitions import committing, waiting
from berthmaster.items import Conflict
from simulator.cloud import Cloud
from tests.support.batch import claims
from tests.support.tables import BATCH_TABLE, create_batch_table

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
FILE = File(
    id=file_id("incoming", "scans/a.tif", version_id="1", etag="e", sequencer=""),
    pipeline="ocr",
    bucket="incoming",
    key="scans/a.tif",
    version_id="1",
    etag="e",
    received_at=NOON,
    state=State.WAITING,
    since=NOON,
    due=NOON,
)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def files(cloud: Cloud) -> Files:
    return Files(cloud.client("dynamodb"), BATCH_TABLE, kept_for=timedelta(days=90))


def claim(cloud: Cloud, file: File, *, lease: str = "lease-1") -> None:
    """As a worker claims a file that it has read."""
    claims.claim(cloud.client("dynamodb"), BATCH_TABLE, file, at=LATER, lease=lease, version=3)


def read(files: Files, file: File) -> File:
    found = files.get(*file.reference)
    assert found
    return found


def test_a_file_that_is_claimed_runs_under_the_number_of_its_fence(cloud: Cloud, files: Files) -> None:
    claim(cloud, files.save(FILE))
    (found,) = files.launched("ocr", since=NOON)
    assert (found.state, found.since, found.claim and found.claim.lease) == (State.RUNNING, LATER, "lease-1")
    assert found.launch
    assert (found.launch.number, found.launch.pipeline_version) == (1, 3)
    assert files.waiting("ocr", until=LATER, most=1) == []


def test_a_function_does_not_overwrite_a_claim_that_it_has_not_seen(cloud: Cloud, files: Files) -> None:
    file = files.save(FILE)
    claim(cloud, file)
    with pytest.raises(Conflict):
        files.save(waiting(file, LATER, due=LATER, reason="superseded, it believes"))
    assert read(files, file).claim


def test_a_claim_stays_while_functions_write_the_file(cloud: Cloud, files: Files) -> None:
    claim(cloud, files.save(FILE))
    found = read(files, FILE)
    saved = files.save(replace(found, request_id="r"))
    assert read(files, FILE) == saved
    assert isinstance(saved.claim, Claim)


def test_a_file_that_is_released_is_claimed_under_a_higher_fence(cloud: Cloud, files: Files) -> None:
    claim(cloud, files.save(FILE))
    file = files.save(waiting(read(files, FILE), LATER, due=LATER, reason="its worker has stopped"))
    claim(cloud, file, lease="lease-2")
    launch = read(files, FILE).launch
    assert launch
    assert launch.number == 2


def test_two_workers_do_not_have_one_file(cloud: Cloud, files: Files) -> None:
    file = files.save(FILE)
    claim(cloud, file)
    with pytest.raises(ClientError):
        claim(cloud, file, lease="lease-2")


def test_what_is_behind_does_not_wait_with_the_others(files: Files) -> None:
    files.save(replace(FILE, is_behind=True))
    assert files.waiting("ocr", until=LATER, most=1) == []
    assert [file.id for file in files.first_behind("ocr", until=LATER, of_each_shard=1)] == [FILE.id]


def test_a_file_that_is_committed_costs_one_unit_a_write(cloud: Cloud, files: Files) -> None:
    """An item above 1 KB costs two; the key of this object is as long as many are."""
    file = replace(
        FILE, key=f"scans/{'x' * 20}.tif", version_id="b" * 36, etag="e" * 32, sequencer="0066F2", size=10**7
    )
    claim(cloud, files.save(file))
    files.save(committing(replace(read(files, file), dollars=0.000041), LATER, until=LATER))
    (item,) = cloud.client("dynamodb").scan(TableName=BATCH_TABLE)["Items"]
    assert size_of(item) < 1024
