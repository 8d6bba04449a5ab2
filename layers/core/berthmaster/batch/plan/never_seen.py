"""Why the ledger does not have an object: pure."""

from collections.abc import Collection
from difflib import get_close_matches
from urllib.parse import unquote_plus

from berthmaster.batch.model.pipelines import OWN_FOLDER, Input, Pipeline
from berthmaster.batch.plan.matching import is_own, matches, pipeline_of
from berthmaster.batch.plan.status import UPLOAD_AGAIN, Status


def never_seen(
    bucket: str, key: str, pipelines: Collection[Pipeline], *, kept_days: int, is_there: bool | None
) -> Status:
    """What is known of an object that no file is of. is_there: whether the bucket has it; None if that is not known."""
    if is_own(key):
        return Status(
            why=f"It is no input: its key is in a folder {OWN_FOLDER}, where attempts and manifests are.",
            then="Give it another key to have it processed.",
        )
    pipeline = pipeline_of(bucket, key, pipelines)
    if pipeline is None:
        return _unmatched(bucket, key, pipelines)
    if is_there is False:
        decoded = unquote_plus(key)
        hint = f" Keys are not URL-encoded here: did you mean {decoded!r}?" if decoded != key else ""
        return Status(
            why=f"The bucket {bucket} has no such object, and no event of one has come.{hint}",
            then=f"If it comes, the pipeline {pipeline.name} takes it.",
        )
    there = "The bucket has it, and no event of it has come" if is_there else "No event of it has come"
    return Status(
        why=(
            f"It would be a file of the pipeline {pipeline.name}. {there}; or it came before the pipeline, or to its"
            f" end more than {kept_days} days ago."
        ),
        then=(
            "Events take seconds, sometimes minutes, and what they miss is found by listing the bucket. If none comes,"
            f" look whether the bucket sends its events to EventBridge. {UPLOAD_AGAIN}"
        ),
    )


def forgotten(kept_days: int) -> Status:
    """What is known of an id that no file has."""
    return Status(
        why=f"No file has this id, or it came to its end more than {kept_days} days ago.",
        then="Ask with `bucket` and `key` to learn why an object is not processed.",
    )


def _unmatched(bucket: str, key: str, pipelines: Collection[Pipeline]) -> Status:
    nearest = max(
        (one for one in pipelines if one.input.bucket == bucket),
        key=lambda one: (_parts(one.input, key), one.name),
        default=None,
    )
    if nearest:
        return Status(
            why=f"No pipeline in force takes it. The nearest is {nearest.name}: {_difference(nearest.input, key)}.",
            then="Change the key or the pipeline's input; objects that are there already are found by listing.",
        )
    buckets = sorted({one.input.bucket for one in pipelines})
    close = get_close_matches(bucket, buckets, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    known = f"those that are read: {', '.join(buckets)}" if buckets else "there is no pipeline in force"
    return Status(
        why=f"No pipeline in force reads from the bucket {bucket}; {known}.{hint}",
        then="Put a pipeline for it into a parameter; its ARN has to be among the stack's BatchInputBuckets too.",
    )


def _parts(source: Input, key: str) -> tuple[bool, int, bool]:
    """How near a key is to an input: by its prefix rather than by its suffix."""
    pairs = enumerate(zip(key, source.prefix, strict=False))
    alike = next((at for at, (one, other) in pairs if one != other), len(key))
    return key.startswith(source.prefix), alike, key.endswith(source.suffix)


def _difference(source: Input, key: str) -> str:
    wrong = []
    if not key.startswith(source.prefix):
        wrong.append(f"the key does not begin with {source.prefix!r}")
    if not key.endswith(source.suffix):
        wrong.append(f"the key does not end with {source.suffix!r}")
    if not wrong and not matches(source, key):
        wrong.append("the key is in a folder of Berthmaster's own")
    return ", and ".join(wrong)
