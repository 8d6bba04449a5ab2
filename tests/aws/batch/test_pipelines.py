"""The registry: what is in force, for how long a container believes that, and every version that ever was."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from berthmaster.batch.ledger.pipelines import LIFETIME, Pipelines
from berthmaster.batch.model.pipelines import PipelineRecord
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.items import Conflict, Unreadable
from simulator.cloud import Cloud
from tests.support.batch.pipelines import a_pipeline
from tests.support.tables import BATCH_TABLE, create_batch_table

FIRST = PipelineRecord(name="ocr", pipeline=a_pipeline(), parameter_version=1)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def pipelines(cloud: Cloud) -> Pipelines:
    assert cloud
    return Pipelines(Clients().dynamodb, BATCH_TABLE, Clock())


def test_what_is_in_force_is_found_by_name(pipelines: Pipelines) -> None:
    pipelines.save(FIRST)
    pipelines.save(PipelineRecord(name="refused"))
    assert pipelines.in_force() == {"ocr": a_pipeline()}
    assert [one.name for one in pipelines.records()] == ["ocr", "refused"]


def test_a_change_is_seen_by_every_container_after_half_a_minute(cloud: Cloud, pipelines: Pipelines) -> None:
    other = Pipelines(Clients().dynamodb, BATCH_TABLE, Clock())
    saved = pipelines.save(FIRST)
    assert other.in_force() == pipelines.in_force() == {"ocr": a_pipeline()}
    pipelines.save(replace(saved, pipeline=None))
    assert pipelines.in_force() == {}
    assert other.in_force() == {"ocr": a_pipeline()}
    cloud.clock.advance(LIFETIME.total_seconds())
    assert other.in_force() == {}


def test_a_version_stays_readable_when_another_is_in_force(pipelines: Pipelines) -> None:
    saved = pipelines.save(FIRST)
    pipelines.save(replace(saved, pipeline=a_pipeline(version=2, results="other/x/")))
    assert pipelines.version("ocr", 1) == a_pipeline()
    assert pipelines.version("ocr", 2).output.bucket == "other"
    with pytest.raises(MissingEvidence, match="version 3 of the pipeline ocr"):
        pipelines.version("ocr", 3)


def test_a_version_whose_record_was_not_written_is_written_over(pipelines: Pipelines) -> None:
    saved = pipelines.save(FIRST)
    with pytest.raises(Conflict):
        pipelines.save(replace(FIRST, pipeline=a_pipeline(version=2, results="never/x/")))
    pipelines.save(replace(saved, pipeline=a_pipeline(version=2)))
    assert pipelines.version("ocr", 2) == a_pipeline(version=2)


def test_a_damaged_record_is_no_missing_pipeline(cloud: Cloud, pipelines: Pipelines) -> None:
    pipelines.save(FIRST)
    cloud.client("dynamodb").put_item(
        TableName=BATCH_TABLE,
        Item={"pk": {"S": "pipeline"}, "sk": {"S": "other"}, "schema": {"N": "1"}, "body": {"S": "{"}},
    )
    with pytest.raises(Unreadable, match="sk=other"):
        pipelines.in_force()
