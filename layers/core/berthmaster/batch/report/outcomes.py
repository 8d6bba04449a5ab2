"""What has become of files: events for each, and a mail for one of those that fail alike."""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.mails import Mails
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.report.notices import file_failed, file_skipped, memory_raised
from berthmaster.clock import Clock
from berthmaster.items import Conflict
from berthmaster.notices import Notice, Notices
from berthmaster.telemetry import logger

EVERY = timedelta(hours=1)
"""So often people get a mail about files of one pipeline that fail by one cause."""
EVERY_DAY = timedelta(days=1)


class Outcomes:
    """Reports what has been written down."""

    def __init__(self, files: Files, mails: Mails, notices: Notices, clock: Clock) -> None:
        self._files = files
        self._mails = mails
        self._notices = notices
        self._clock = clock

    def report(self, file: File, cause: str) -> None:
        """Report a file that is dead or was skipped, once it is written; nothing if the bus knows of it.

        cause: people get one mail for the files of a pipeline that end by the same. A file stays `unreported` until the
        bus has it: whoever reads it after a crash reports it again.
        """
        if not file.unreported:
            return
        match file.state:
            case State.DEAD:
                by_mail = self._is_due(f"failed {file.pipeline} {cause}", file.id, EVERY)
                self._notices.publish([file_failed(file, cause, by_mail=by_mail)])
            case State.SKIPPED:
                self._notices.publish([file_skipped(file)])
            case _:
                return
        try:
            self._files.save(replace(file, unreported=False))
        except Conflict:
            logger.info("file was written while it was reported", file=file.id)

    def report_memory(self, before: File, after: File, size: tuple[int, int] | None, text: str) -> None:
        """Report that a file is tried with more memory than its task definition says, if it is from now on.

        size: of the task that was out of memory, None if that is not known.
        """
        larger = after.task_size
        if size is None or larger is None or larger == before.task_size:
            return
        by_mail = self._is_due(f"memory {after.pipeline}", after.id, EVERY_DAY)
        self._notices.publish([memory_raised(after, Size(*size), Size(*larger), text, by_mail=by_mail)])

    def once(self, notice: Notice, subject: str, every: timedelta) -> None:
        """Publish a notice unless there was one with that subject lately."""
        if self._is_due(subject, self._clock.now().isoformat(), every):
            self._notices.publish([notice])

    def _is_due(self, subject: str, by: str, every: timedelta) -> bool:
        now: datetime = self._clock.now()
        return self._mails.is_due(subject, by=by, now=now, every=every)
