"""Books what tasks have cost when ECS says that they have stopped: once each, whatever becomes of their files."""

from collections.abc import Iterable
from dataclasses import replace

from berthmaster import metrics
from berthmaster.batch.ledger.money import Money
from berthmaster.batch.model.bills import Bill
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.tasks import TaskStateChange
from berthmaster.batch.plan.bills import bill_of
from berthmaster.batch.plan.identity import group_of, pipeline_of
from berthmaster.batch.settings import FollowSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.telemetry import logger

ASSUMED = Resources(cpu=1024, memory=2048)
"""Of a task of which ECS does not say the size any more, if none of its pipeline was booked this month."""


class Billing:
    """Books the tasks of one stack."""

    def __init__(self, settings: FollowSettings, clients: Clients, clock: Clock) -> None:
        self._stack = settings.stack
        self._money = Money(clients.dynamodb, settings.batch_table, clock)
        self.prices = settings.prices(clients.region)
        if self.prices.is_guessed:
            logger.warning("prices not known", region=clients.region, action="put them into the parameter BatchPrices")

    def bill(self, change: TaskStateChange) -> Bill | None:
        """What a task has cost; None if it has not stopped, or is not of this stack."""
        pipeline = pipeline_of(change.group)
        if not change.has_stopped or change.group != group_of(self._stack, pipeline):
            return None
        return bill_of(change, pipeline, self.prices, ASSUMED)

    def book(self, changes: Iterable[TaskStateChange]) -> None:
        """Book the tasks that have stopped and were not booked yet: those of files, of workers, and of nothing known.

        Errors: Conflict, and those of DynamoDB. Whoever books them again then books nothing twice.
        """
        bills = [self._with_size(bill, change) for change in changes if (bill := self.bill(change))]
        booked = self._money.book(bills)
        for bill in booked:
            if bill.is_estimate:
                logger.warning("bill estimated", task=bill.task, pipeline=bill.pipeline, dollars=bill.dollars)
        if booked:
            metrics.publish({"DollarsBooked": sum(bill.dollars for bill in booked)})

    def _with_size(self, bill: Bill, change: TaskStateChange) -> Bill:
        """The bill; one of a task whose size is not known costs as much a second as others of the pipeline."""
        if change.size is not None or not bill.seconds:
            return bill
        month = self._money.month(bill.pipeline, bill.day)
        if not month.seconds:
            return bill
        return replace(bill, dollars=bill.seconds * month.dollars / month.seconds)
