"""The notices about breakers."""

from berthmaster.batch.model.breaker import Breaker
from berthmaster.notices import Notice


def pipeline_stopped(breaker: Breaker, *, by_mail: bool) -> Notice:
    """A pipeline launches nothing until what is wrong with it is fixed. by_mail: whether people get a message."""
    text = (
        f"The pipeline {breaker.pipeline} launches no more tasks, since they would all fail.\n{breaker.diagnosis}\n"
        "Its files wait, and no attempt is charged to them. One file at a time is launched to find out whether it is"
        " fixed: soon after you change the pipeline or register a revision of its task definition, else in some"
        " minutes, and later and later, at least once an hour.\nIf the same happens again within a day, that is mailed"
        " only if it lasts for an hour; each time has an event Pipeline Stopped."
    )
    return Notice(
        "Pipeline Stopped",
        {
            "pipeline": breaker.pipeline,
            "diagnosis": breaker.diagnosis,
            "file": breaker.opened_by,
            "since": breaker.opened_at.isoformat() if breaker.opened_at else None,
            "next_try_at": breaker.probe_at.isoformat() if breaker.probe_at else None,
        },
        subject=f"pipeline {breaker.pipeline} is out of order" if by_mail else "",
        text=text if by_mail else "",
        is_warning=True,
        group="a pipeline is out of order",
    )


def pipeline_resumed(breaker: Breaker) -> Notice:
    """A task runs again; breaker: as it was before. Who got no mail that it was out of order gets none of this."""
    text = f"A task of the pipeline {breaker.pipeline} runs again: its files that waited are launched."
    return Notice(
        "Pipeline Resumed",
        {
            "pipeline": breaker.pipeline,
            "diagnosis": breaker.diagnosis,
            "stopped_since": breaker.opened_at.isoformat() if breaker.opened_at else None,
        },
        subject=f"pipeline {breaker.pipeline} works again" if breaker.mailed else "",
        text=text if breaker.mailed else "",
    )
