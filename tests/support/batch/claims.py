"""Claims and results as workers write them, by hand."""

import json
from datetime import datetime, timedelta
from typing import Any

from berthmaster.batch.ledger.files import partition, stamp
from berthmaster.batch.model.files import File
from berthmaster.batch.plan.identity import shard_of

TASK = "arn:aws:ecs:eu-central-1:123456789012:task/batch/0123456789abcdef"
FILE_TIME = timedelta(hours=1)


def claim(
    dynamodb: Any,
    table: str,
    file: File,
    *,
    at: datetime,
    owner: str = "w1",
    lease: str = "lease-1",
    version: int = 1,
) -> None:
    """Claim a file that was read; version: of the pipeline."""
    attributes: dict[str, Any] = {
        ":claim": {
            "M": {
                "owner": {"S": owner},
                "lease": {"S": lease},
                "task": {"S": TASK},
                "pipeline_version": {"N": str(version)},
                "at": {"S": at.isoformat()},
                "until": {"S": (at + FILE_TIME).isoformat()},
            }
        },
        ":place": {"S": f"{file.pipeline}|in flight|{stamp(at)}"},
        ":read": {"N": str(file.version)},
        ":zero": {"N": "0"},
        ":one": {"N": "1"},
    }
    dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": partition(file.pipeline, shard_of(file.id))}, "sk": {"S": file.id}},
        UpdateExpression="SET claim = :claim, place = :place, fence = if_not_exists(fence, :zero) + :one,"
        " version = version + :one",
        ConditionExpression="attribute_not_exists(claim) AND version = :read",
        ExpressionAttributeValues=attributes,
    )


def result(file: File, *, at: datetime, lease: str = "lease-1", **detail: Any) -> str:
    """The body of the message by which a worker reports a file."""
    return json.dumps(
        {
            "source": "berthmaster.worker",
            "detail-type": "File Processed",
            "time": at.isoformat(),
            "detail": {
                "pipeline": file.pipeline,
                "file": file.id,
                "lease": lease,
                "worker": "w1",
                "exitCode": 0,
                "outcome": "exited",
                "seconds": 10.0,
                "bytes": 4,
                **detail,
            },
        }
    )
