"""Pipelines: which files are processed, by which tasks, to where.

A pipeline is an SSM parameter, `/berthmaster/batch/<name>`, that holds a JSON document. What is in force is a record of
the ledger: the last document that was valid.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from berthmaster.batch.model.sizes import Size

AUTOMATION = "batch"
PARAMETERS = "/berthmaster/batch/"
"""The path of the parameters; what follows is the name of a pipeline."""
OWN_FOLDER = ".berthmaster/"
"""Below an output prefix: attempts and manifests. No key with such a folder is an input."""
LONG_AGO = datetime.fromtimestamp(0, UTC)


class Contract(StrEnum):
    """What a container may expect."""

    COMMAND = "command"
    """One file, named by the environment."""
    WORKER = "worker"
    """Many files, which it claims itself; or one, as with `command`."""


class Packing(StrEnum):
    """How many files a task takes."""

    AUTO = "auto"
    """One or many, whatever costs less and keeps the goal."""
    SINGLE = "single"
    """One."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The objects of a bucket whose keys begin with `prefix` and end with `suffix`."""

    bucket: str
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where results are. prefix: ends with a slash, or is empty. publish: whether they get stable names as well."""

    bucket: str
    prefix: str
    publish: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What RunTask is called with.

    cluster: its name. task_definition: a family, of which the latest revision is taken, or `family:revision`.
    container: the one that processes the file. subnets, security_groups: ids. sizes: of which packing may choose; none
    if tasks have the size of their definition.
    """

    cluster: str
    task_definition: str
    container: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    assign_public_ip: bool = False
    contract: Contract = Contract.COMMAND
    sizes: tuple[Size, ...] = ()

    @property
    def family(self) -> str:
        """Of the task definition."""
        return self.task_definition.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """tasks: at once. attempts: charged to one file before it is dead. timeout_minutes: of one file.

    dollars_per_day: of Fargate, in a day of UTC; None for no limit.
    """

    tasks: int = 50
    attempts: int = 3
    timeout_minutes: int = 60
    dollars_per_day: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One version of a pipeline, with all defaults resolved.

    version: of the SSM parameter; higher than that if the parameter was deleted and made anew, since AWS counts from 1
    again then, and no two documents of a name have one version. spot_tries: launches of a file on Fargate Spot before
    it is launched on demand. packing: how many files a task takes; workers are needed for more than one.
    goal_minutes: within which files that have come are to be finished; 0 for no goal. paused: files are taken in, and
    nothing is launched.
    """

    name: str
    version: int
    input: Input
    output: Output
    run: Run
    limits: Limits = field(default_factory=Limits)
    spot_tries: int = 0
    packing: Packing = Packing.SINGLE
    goal_minutes: int = 0
    paused: bool = False

    @property
    def has_workers(self) -> bool:
        """Whether its tasks may take many files."""
        return self.run.contract is Contract.WORKER

    @property
    def sort_key(self) -> str:
        """Of this version, in the ledger."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One version of a pipeline's parameter. modified: orders versions, also when the parameter was made anew.

    is_secret: whether it is a SecureString, whose text is encrypted.
    """

    pipeline: str
    text: str
    version: int
    modified: datetime
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document. field: its JSON path, as in `limits.tasks`. problem: what it must be."""

    field: str
    problem: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.field}: {self.problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRecord:
    """What is in force under a name, and what was last read of its parameter.

    pipeline: None if no document was valid yet, or the parameter was deleted. parameter_version: of the document in
    force. document: its text. warnings: about it. since: when it came into force, or when the parameter was found
    deleted. highest: the highest version that a pipeline of this name has had. newest_version, newest_modified: of the
    parameter, as it was last read. refused: why that version is not in force; empty if it is. checked_at: when it was
    last checked. unreported: whether what is new in the record is still to be published.
    """

    name: str
    pipeline: Pipeline | None = None
    parameter_version: int = 0
    document: str = ""
    warnings: tuple[Problem, ...] = ()
    since: datetime = LONG_AGO
    highest: int = 0
    newest_version: int = 0
    newest_modified: datetime = LONG_AGO
    refused: tuple[Problem, ...] = ()
    checked_at: datetime = LONG_AGO
    unreported: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.name
