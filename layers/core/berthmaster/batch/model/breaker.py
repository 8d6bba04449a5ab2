"""Whether a pipeline launches tasks, or waits until what is wrong with it is fixed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BreakerState(StrEnum):
    """CLOSED: launches as it likes. OPEN: launches nothing until a probe is due. PROBING: one launch is under way."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The breaker of one pipeline; one ledger item.

    A revision is what a launch uses: the pipeline's version and the task definition's revision, as one text.

    since: when it came into its state. opened_at: when it opened; None while it is closed. diagnosis: why it
    opened, or why the last canary failed. opened_by, opened_with: the file whose launch opened it, and the
    revision. probe_at: when the next canary may be launched. probed_with: the revision of the last launch that it
    was judged by. failed_probes: how many. canary, canary_launch: the file and its launch that are under way, or
    were last. row: launches that could not reach what they need to start, with none between them that ran.
    proven_at: when the launch that closed it was requested: what was requested before shows how it was. suspects:
    files that opened it, and revisions with which other files could be launched nevertheless. reported: whether it
    is on the bus that it is open. mailed: whether people got a mail of it. version: how often the record was
    written.
    """

    pipeline: str
    state: BreakerState = BreakerState.CLOSED
    since: datetime | None = None
    opened_at: datetime | None = None
    diagnosis: str = ""
    opened_by: str = ""
    opened_with: str = ""
    probe_at: datetime | None = None
    probed_with: str = ""
    failed_probes: int = 0
    canary: str = ""
    canary_launch: int = 0
    row: int = 0
    proven_at: datetime | None = None
    suspects: tuple[tuple[str, str], ...] = ()
    reported: bool = False
    mailed: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """What it is found by, among the breakers."""
        return self.pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A launch that a breaker is judged by. number: of the launch. revision: as in `Breaker`."""

    file_id: str
    number: int
    revision: str
    requested_at: datetime
