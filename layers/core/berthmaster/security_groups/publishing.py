"""Publishes what has become of removals, each once unless an invocation dies: then the tick publishes it again."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from berthmaster.items import Conflict
from berthmaster.security_groups.report.step_notices import notice_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from berthmaster.notices import Notices
    from berthmaster.security_groups.ledger.removals import Removals
    from berthmaster.security_groups.model.place import Place
    from berthmaster.security_groups.model.removals import Removal


def publish(removals: "Iterable[Removal]", notices: "Notices", ledger: "Removals", place: "Place") -> None:
    """Publish the notices of those that are unpublished, and save that they are not any more."""
    unpublished = [one for one in removals if one.unpublished]
    notices.publish([notice for one in unpublished if (notice := notice_of(one, place))])
    for one in unpublished:
        # Another invocation may have gone on with it; then that one publishes its state.
        with suppress(Conflict):
            ledger.save(replace(one, unpublished=False))
