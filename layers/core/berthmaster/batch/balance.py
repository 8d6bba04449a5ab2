"""Conservation: no file gets lost in the ledger, and none is in two states; see `plan.balance`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.model.balance import Balance
from berthmaster.batch.plan.balance import (
    FOR_GOOD,
    REPLAYABLE,
    advanced,
    continued,
    is_due,
    next_cut,
    next_horizon,
)
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.items import Items
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOOKS = 3
"""How often the files are collected before one is taken to be missing: it may move just where nobody looks."""


class Balances:
    """Counts the files of all pipelines."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock, *, kept_for: timedelta) -> None:
        """kept_for: how long a file that has come to its end is remembered."""
        self._clock = clock
        self._kept_for = kept_for
        self._index = FileIndex(dynamodb, table)
        self._balances = Items(dynamodb, table, "balance", Balance)

    def strike(self, pipelines: Iterable[str], failures: Failures, may_go_on: Callable[[], bool]) -> list[Balance]:
        """Count what is due; returns the balances of all pipelines as they are now."""
        known = {one.pipeline: one for one in self._balances.query(failures=failures)}
        now = self._clock.now()
        due = [one for name in pipelines if is_due(one := known.get(name, Balance(pipeline=name)), now)]
        for balance in sorted(due, key=lambda one: one.found_at):
            if not may_go_on():
                break
            with failures.collect("files not counted", pipeline=balance.pipeline):
                known[balance.pipeline] = self._struck(balance)
        return list(known.values())

    def _struck(self, balance: Balance) -> Balance:
        # Saved before the rest is counted: what is counted once must not be counted again.
        balance = continued(balance, self._clock.now(), self._kept_for)
        balance = self._balances.save(self._advanced(balance))
        present: set[str] = set()
        for look in range(LOOKS):
            balance, found = self._found(balance)
            present |= found
            if len(present) == balance.open:
                break
            logger.warning(
                "files out of balance", pipeline=balance.pipeline, look=look, expected=balance.open, found=len(present)
            )
        return self._balances.save(replace(balance, out_of_balance=balance.open - len(present)))

    def _advanced(self, balance: Balance) -> Balance:
        """The balance with what was received, and has ended for good, since it was struck last."""
        now, name = self._clock.now(), balance.pipeline
        cut, horizon = next_cut(balance, now), next_horizon(balance, now, self._kept_for)
        ended = {
            state: self._index.count(Section.ended(name, state, after=balance.cut, until=cut)) for state in FOR_GOOD
        }
        ended |= {
            state: self._index.count(Section.ended(name, state, after=balance.horizon, until=horizon))
            for state in REPLAYABLE
        }
        received = self._index.count(Section.received(name, after=balance.cut, until=cut))
        return advanced(balance, cut, horizon, received=received, ended=ended)

    def _found(self, balance: Balance) -> tuple[Balance, set[str]]:
        """The files that were received by the cut and have not ended for good by then, and how many there are now."""
        name = balance.pipeline
        waiting = self._index.ids(Section.waiting(name)) | self._index.ids(Section.behind(name))
        in_flight = self._index.ids(Section.in_flight(name))
        replayable = {state: self._index.ids(Section.ended(name, state, after=balance.horizon)) for state in REPLAYABLE}
        ended = [self._index.ids(Section.ended(name, state, after=balance.cut)) for state in FOR_GOOD]
        # After the others, so that it has all of them that came later than the cut.
        later = self._index.ids(Section.received(name, after=balance.cut))
        balance = replace(
            balance,
            found_at=self._clock.now(),
            waiting=len(waiting),
            in_flight=len(in_flight),
            replayable={state: len(ids) for state, ids in replayable.items()},
        )
        return balance, waiting.union(in_flight, *replayable.values(), *ended) - later
