"""Changes of single files, as operators ask for them: decided by what a file is, again if another writes it meanwhile.

A file that is replayed is written first, and then all versions of its key are read, as when one comes: of two that are
made live at once, one is superseded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.files import File, FileReference
from berthmaster.batch.model.orders import Action, Change
from berthmaster.batch.plan.intake import settled
from berthmaster.batch.plan.orders import Left, changed
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError
from berthmaster.items import without_conflict
from berthmaster.telemetry import logger

TRIES = 5


class NoSuchFile(BerthmasterError):
    """The ledger has no file with this id."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A file as it was, and as it is now; the same if the request had changed it before."""

    before: File
    after: File


class FileChanges:
    """Cancels and replays files."""

    def __init__(self, files: Files, clock: Clock, *, kept_for: timedelta) -> None:
        self._files = files
        self._clock = clock
        self._kept_for = kept_for

    def apply(
        self, file: FileReference, change: Change, *, concerns: Callable[[File], bool] = lambda _: True
    ) -> Changed | Left | None:
        """Change a file, or say why it is left as it is; None if the change does not concern it.

        Errors: NoSuchFile; Conflict if others write it all the time.
        """
        return without_conflict(lambda: self._apply(file, change, concerns), tries=TRIES)

    def _apply(
        self, reference: FileReference, change: Change, concerns: Callable[[File], bool]
    ) -> Changed | Left | None:
        versions = self._files.versions(*reference)
        file = next((one for one in versions if one.id == reference.id), None)
        if file is None:
            raise NoSuchFile(f"the ledger has no file {reference.id}")
        if file.request_id != change.id and not concerns(file):
            return None
        after = changed(file, change, versions, self._clock.now(), kept_for=self._kept_for)
        if isinstance(after, Left):
            return after
        if after != file:
            after = self._files.save(after)
            logger.info("file changed", action=change.action, file=after.id, was=file.state, by=change.by)
        if change.action is Action.REPLAY:
            for one in settled(self._files.versions(*reference), after, self._clock.now()):
                saved = self._files.save(one)
                after = saved if saved.id == after.id else after
        return Changed(file, after)
