"""The notices about breakers."""

from berthmaster.batch.model.breaker import Breaker
from berthmaster.notices import Notice


def pipeline_stopped(breaker: Breaker) -> Notice:
    """A pipeline launches nothing until what is wrong with it is mended."""
    return Notice(
        "Pipeline Stopped",
        {
            "pipeline": breaker.pipeline,
            "diagnosis": breaker.diagnosis,
            "file": breaker.opened_by,
            "since": breaker.since.isoformat() if breaker.since else None,
            "next_try_at": breaker.probe_at.isoformat() if breaker.probe_at else None,
        },
        subject=f"pipeline {breaker.pipeline} is out of order",
        text=(
            f"The pipeline {breaker.pipeline} launches no more tasks, since they would all fail.\n{breaker.diagnosis}\n"
            "Its files wait, and no attempt is charged to them. One file at a time is launched to find out whether it"
            " is mended: soon after you change the pipeline or register a revision of its task definition, else in some"
            " minutes, and later and later, at least once an hour."
        ),
        is_warning=True,
        group="a pipeline is out of order",
    )


def pipeline_resumed(breaker: Breaker) -> Notice:
    """A task runs again; breaker: as it was before."""
    return Notice(
        "Pipeline Resumed",
        {
            "pipeline": breaker.pipeline,
            "diagnosis": breaker.diagnosis,
            "stopped_since": breaker.since.isoformat() if breaker.since else None,
        },
        subject=f"pipeline {breaker.pipeline} works again",
        text=f"A task of the pipeline {breaker.pipeline} runs again: its files that waited are launched.",
    )
