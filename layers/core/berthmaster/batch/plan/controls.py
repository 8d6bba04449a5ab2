"""Whether the workers of a pipeline may claim files: pure."""

from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.modes import Mode


def why_no_claims(mode: Mode, stopped: str, pipeline: Pipeline | None) -> str:
    """Why not; empty if they may. stopped: as the switch says. pipeline: as it is in force, None if it is not."""
    if stopped:
        return stopped
    if mode is Mode.OBSERVE:
        return "the mode is observe"
    if pipeline is None:
        return "the pipeline is not in force"
    if not pipeline.has_workers:
        return "the pipeline's contract is not `worker`"
    return "its document says `paused`" if pipeline.paused else ""
