"""Attributes of target groups, read only when a decision needs them, and kept in the container and in the ledger."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.paced_reads import AT_ONCE, PacedReads
from berthmaster.targets.ledger.attributes import AttributeLedger
from berthmaster.targets.model import GroupAttributes
from berthmaster.targets.observe.failed_reads import AWS_FAILED
from berthmaster.telemetry import logger

VALID_FOR = timedelta(hours=1)
REFRESHED_AFTER = timedelta(minutes=40)
"""Then a run that has time left reads them again, so that a deregistration seldom waits for them."""
MOST_REFRESHED = 40
"""In a run."""
NEVER = datetime.min.replace(tzinfo=UTC)


class AttributesReader:
    """The attributes that were needed so far."""

    def __init__(self, clients: Clients, clock: Clock, reads: PacedReads, ledger: AttributeLedger) -> None:
        self._clients = clients
        self._clock = clock
        self._reads = reads
        self._ledger = ledger
        self._known: dict[str, GroupAttributes] = {}

    def of(self, arn: str, now: datetime) -> GroupAttributes | None:
        """Those of a group, as far as they are known and not too old."""
        found = self._known.get(arn)
        return found if found and now - found.read_at < VALID_FOR else None

    def recall(self) -> None:
        """Read all that the ledger has, unless the container knows some already."""
        if not self._known:
            self._keep(self._ledger.all())

    def read(self, arns: Iterable[str], may_begin: Callable[[], bool]) -> dict[str, Exception]:
        """Read those that neither container nor ledger knows; returns the errors of those that could not be read."""
        now = self._clock.now()
        unknown = sorted(arn for arn in set(arns) if self.of(arn, now) is None)
        if unknown:
            self._keep(self._ledger.of(unknown))
        return self._read([arn for arn in unknown if self.of(arn, now) is None], may_begin)

    def reread(self, arn: str) -> None:
        """Read those of a group whatever is known of them; raises AWS's error if they cannot be read."""
        self._read_one(arn)

    def refresh(self, arns: Iterable[str], may_begin: Callable[[], bool]) -> None:
        """Read those that are unknown or will soon be too old, the oldest first, while there is time."""
        now = self._clock.now()
        since = {arn: known.read_at if (known := self._known.get(arn)) else NEVER for arn in arns}
        old = [arn for _, arn in sorted((at, arn) for arn, at in since.items() if now - at > REFRESHED_AFTER)]
        due = old[:MOST_REFRESHED]
        try:
            # Another function may have read them meanwhile.
            self._keep(self._ledger.of(due))
        except AWS_FAILED as error:
            logger.warning("attributes not recalled", error=repr(error))
        due = [arn for arn in due if arn not in self._known or now - self._known[arn].read_at > REFRESHED_AFTER]
        if failed := self._read(due, may_begin):
            logger.info("attributes not refreshed", count=len(failed))

    def _read(self, arns: Iterable[str], may_begin: Callable[[], bool]) -> dict[str, Exception]:
        failed: dict[str, Exception] = {}
        for one in concurrently(self._read_one, arns, at_once=AT_ONCE, may_begin=may_begin):
            if isinstance(one.error, AWS_FAILED):
                failed[one.item] = one.error
            elif one.error:
                raise one.error
        return failed

    def _read_one(self, arn: str) -> None:
        """Read, and save at once: whatever ends the invocation, the next one need not read it again."""
        try:
            answer = self._reads.call(self._clients.elbv2.describe_target_group_attributes, TargetGroupArn=arn)
        except ClientError as error:
            # A deleted group keeps AWS's defaults: nothing drains there.
            if code_of(error) == "TargetGroupNotFound":
                return
            raise
        values = {one["Key"]: one["Value"] for one in answer["Attributes"]}
        cross_zone = values.get("load_balancing.cross_zone.enabled", "")
        found = GroupAttributes(
            cross_zone={"true": True, "false": False}.get(cross_zone),
            deregistration_delay=timedelta(seconds=int(values.get("deregistration_delay.timeout_seconds", 300))),
            read_at=self._clock.now(),
        )
        self._known[arn] = found
        try:
            self._ledger.save(arn, found)
        except (BotoCoreError, ClientError) as error:
            logger.warning("attributes not saved", destination=arn, error=repr(error))

    def _keep(self, found: Mapping[str, GroupAttributes]) -> None:
        for arn, attributes in found.items():
            known = self._known.get(arn)
            if known is None or known.read_at < attributes.read_at:
                self._known[arn] = attributes
