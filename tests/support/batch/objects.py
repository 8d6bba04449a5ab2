"""S3's events as a test wants them."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.batch.scene import INCOMING, INTAKE, BatchScene


def an_event(key: str, number: int, /, *, detail_type: str = "Object Created", **more: Any) -> dict[str, Any]:
    """About the version of a key that was written as number so many; more: fields of the object or of the event."""
    time = {"time": more.pop("time")} if "time" in more else {}
    described = {"key": key, "size": 4, "etag": f"etag-{number}", "sequencer": f"00{number:04X}"} | more
    return {
        "source": "aws.s3",
        "detail-type": detail_type,
        "resources": [f"arn:aws:s3:::{INCOMING}"],
        "detail": {"bucket": {"name": INCOMING}, "object": described},
        **time,
    }


def send(scene: BatchScene, events: Iterable[Mapping[str, Any]]) -> None:
    """Put events on the default bus, and wait until all are received."""
    for event in events:
        scene.berthmaster.put_event(event)
    scene.berthmaster.drain()


def intake_calls(scene: BatchScene) -> list[str]:
    """The operations that batch_intake has called, in order."""
    return [call.operation for call in scene.cloud.calls.of(INTAKE)]


def counted(scene: BatchScene, metric: str) -> float:
    """The sum of a metric of batch_intake."""
    return sum(sum(record.get(metric, [])) for record in scene.berthmaster.logs.metrics(INTAKE))
