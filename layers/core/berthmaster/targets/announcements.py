"""What a run of the reconciliation reports: what was done, what was found, and what needs an approval."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from berthmaster import approval
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.notices import Notice, Notices, NotNotified
from berthmaster.targets.ledger import findings as ledger
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.findings import DestinationStatuses
from berthmaster.targets.model import DestinationStatus, Finding, Move
from berthmaster.targets.plan.changes import Change
from berthmaster.targets.plan.reconciliation import Survey
from berthmaster.targets.plan.waits import Wait, WaitsFor, overdue
from berthmaster.targets.report import notices


@dataclass(slots=True)
class DestinationResult:
    """What came of one destination in a run.

    errors: what could not be read and did not prevent a plan. survey: None if the destination could not be read.
    waiting: what waits there. done: the moves that were carried out. change: what is to be reported or proposed.
    is_held_back: whether something needs an approval. is_settled: whether nothing was to be done. is_doubtful: whether
    claims are still to be given up, since it was not managed. is_stopped: whether targets was paused before everything
    was carried out.
    """

    findings: list[Finding] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    survey: Survey | None = None
    waiting: set[Wait] = field(default_factory=set)
    done: list[Move] = field(default_factory=list)
    change: Change | None = None
    is_held_back: bool = False
    is_settled: bool = True
    is_doubtful: bool = False
    is_stopped: bool = False


class Announcements:
    """Publishes the results of a run; a notice that fails does not hinder the others."""

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        statuses: DestinationStatuses,
        changes: Changes,
        *,
        bus: str,
        topic_arn: str,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._statuses = statuses
        self._changes = changes
        self._bus = bus
        self._notices = Notices(clients, bus=bus, topic_arn=topic_arn)

    def publish(
        self,
        results: Mapping[str, DestinationResult],
        known: Mapping[str, DestinationStatus],
        changes: Sequence[Change],
        failures: Failures,
        *,
        managed: Collection[str],
    ) -> None:
        """Publish the results by destination.

        known, changes: the statuses and the changes before the run. managed: the destinations whose tags are right.
        """
        with failures.collect("calls not reported"):
            done = [move for result in results.values() for move in result.done]
            self._notices.publish_once(notices.targets_changed(done))
        self._publish_findings(results, known, failures, managed)
        self._publish_changes([one for one in changes if one.unpublished], failures)
        self._publish_changes([result.change for result in results.values() if result.change], failures)

    def _publish_findings(
        self,
        results: Mapping[str, DestinationResult],
        known: Mapping[str, DestinationStatus],
        failures: Failures,
        managed: Collection[str],
    ) -> None:
        """Report findings that are new, and save the status of each destination."""
        now = self._clock.now()
        waiting = {arn: ledger.waiting_since(known.get(arn), _waiting(result), now) for arn, result in results.items()}
        for arn, result in results.items():
            result.findings += overdue(arn, _waiting(result), waiting[arn], now)
        new = {arn: ledger.unreported(known.get(arn), result.findings) for arn, result in results.items()}
        failed = new
        with failures.collect("findings not reported"):
            self._publish(notices.findings_reported([finding for some in new.values() for finding in some]))
            failed = {}
        for arn, result in results.items():
            # What could not be reported is reported in the next run.
            reported = [finding for finding in result.findings if finding not in failed.get(arn, ())]
            with failures.collect("status not saved", destination=arn):
                before = known.get(arn)
                status = ledger.status_of(arn, before, result.survey, reported, waiting=waiting[arn], now=now)
                is_doubtful = arn not in managed or result.is_doubtful
                self._statuses.save(before, replace(status, unmanaged=True) if is_doubtful else status)

    def note_unmanaged(
        self, known: Mapping[str, DestinationStatus], tagged: Collection[str], failures: Failures
    ) -> None:
        """Remember which of the known destinations have no tags any more."""
        for arn in sorted(known.keys() - set(tagged)):
            with failures.collect("status not saved", destination=arn):
                self._statuses.save(known[arn], replace(known[arn], unmanaged=True))

    def _publish_changes(self, changes: Iterable[Change], failures: Failures) -> None:
        """A change is saved before it is published: an operator may approve it at once.

        If the invocation dies between the two, the next run publishes it.
        """
        for change in changes:
            with failures.collect("change not announced", change=change.id):
                saved = change if change.unpublished else self._changes.save(replace(change, unpublished=True))
                commands = map(partial(self._command, saved), ("Proposal Approved", "Proposal Rejected"))
                self._publish([notices.change_announced(saved, *commands)])
                self._changes.save(replace(saved, unpublished=False))

    def _publish(self, found: Sequence[Notice]) -> None:
        """Publish; raises NotNotified if people do not hear of it, so that the next run tries again."""
        if not_sent := self._notices.publish(found):
            raise NotNotified(f"SNS did not take {len(not_sent)} messages")

    def _command(self, change: Change, decision: str) -> str:
        return approval.command(self._bus, self._clients.region, decision, proposal=change.id)


def _waiting(result: DestinationResult) -> set[Wait]:
    """What waits in a destination; without a survey and without a finding that says why, the destination itself."""
    is_unread = result.survey is None and not result.findings
    return result.waiting | ({Wait(WaitsFor.READING, "this destination")} if is_unread else set())
