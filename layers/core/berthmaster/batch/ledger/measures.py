"""What was measured of pipelines: an item for each hour in which anything was, to which everybody adds.

pk measures   sk <pipeline> <YYYY-MM-DDTHH>   expires
file <cpu> <memory> <class> seconds | bytes | <span>      sums and counts over files, see `model.measures`
task <cpu> <memory> stopped | count | latency | unused    over tasks

Many invocations measure at once: each adds with one write, without reading before. A message that is received twice
counts twice.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from berthmaster.batch.model.measures import FileSums, Measures, TaskSums
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.measures import weighted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "measures"
KEPT_FOR = timedelta(days=90)
HOURS = 24
"""That are read, of those in which anything was measured."""
FILE, TASK = "file", "task"
SECONDS, BYTES = "seconds", "bytes"
SUMS = ("stopped", "count", "latency", "unused")


class Measured:
    """What was measured, by a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def of(self, pipeline: str) -> Measures:
        """What is known of a pipeline; the hours before the newest one count less and less."""
        answer = self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :pipeline)",
            ExpressionAttributeValues={":pk": {"S": PARTITION}, ":pipeline": {"S": f"{pipeline} "}},
            ScanIndexForward=False,
            Limit=HOURS,
        )
        return weighted(_measures(item) for item in answer["Items"])

    def files_since(self, pipeline: str, hour: datetime) -> float:
        """How many files were measured in that hour and all later ones, read consistently."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :from AND :to",
            ExpressionAttributeValues={
                ":pk": {"S": PARTITION},
                ":from": {"S": f"{pipeline} {_hour(hour)}"},
                ":to": {"S": f"{pipeline} ~"},
            },
            ConsistentRead=True,
        )
        items = (item for page in pages for item in page["Items"])
        return sum(sums.count for item in items for sums in _measures(item).files.values())

    def add(self, pipeline: str, measures: Measures, now: datetime) -> None:
        """Add what was measured."""
        sums = list(_attributes(measures))
        names = {f"#{number}": name for number, (name, _) in enumerate(sums)}
        values: dict[str, Any] = {f":{number}": {"N": f"{value:.3f}"} for number, (_, value) in enumerate(sums)}
        self._dynamodb.update_item(
            TableName=self._table,
            Key={"pk": {"S": PARTITION}, "sk": {"S": f"{pipeline} {_hour(now)}"}},
            UpdateExpression="SET expires = :expires ADD " + ", ".join(f"{one} :{one[1:]}" for one in names),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values | {":expires": {"N": str(int((now + KEPT_FOR).timestamp()))}},
        )


def _hour(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H}"


def _attributes(measures: Measures) -> Iterator[tuple[str, float]]:
    """By name, what is added to an item."""
    for (size, kind), files in measures.files.items():
        name = f"{FILE} {size.cpu} {size.memory} {kind}"
        yield f"{name} {SECONDS}", files.seconds
        yield f"{name} {BYTES}", files.bytes
        yield from ((f"{name} {span}", count) for span, count in files.spans.items())
    for size, tasks in measures.tasks.items():
        yield from ((f"{TASK} {size.cpu} {size.memory} {sum_}", getattr(tasks, sum_)) for sum_ in SUMS)


def _measures(item: Mapping[str, Any]) -> Measures:
    """What an item says; attributes of another version are left out."""
    files: dict[tuple[Size, int], dict[str, float]] = {}
    tasks: dict[Size, dict[str, float]] = {}
    for name, value in item.items():
        match name.split(" "):
            case [kind, cpu, memory, number, what] if kind == FILE:
                files.setdefault((Size(int(cpu), int(memory)), int(number)), {})[what] = float(value["N"])
            case [kind, cpu, memory, what] if kind == TASK and what in SUMS:
                tasks.setdefault(Size(int(cpu), int(memory)), {})[what] = float(value["N"])
    return Measures(
        files={key: _file_sums(values) for key, values in files.items()},
        tasks={size: TaskSums(**values) for size, values in tasks.items()},
    )


def _file_sums(values: Mapping[str, float]) -> FileSums:
    spans = {int(name): value for name, value in values.items() if name not in {SECONDS, BYTES}}
    return FileSums(seconds=values.get(SECONDS, 0.0), bytes=values.get(BYTES, 0.0), spans=spans)
