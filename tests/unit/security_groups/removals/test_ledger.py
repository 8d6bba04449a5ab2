"""The two partitions of removals, while others move them."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import RemovalState
from berthmaster.security_groups.model.rules import TCP, Direction, Rule
from tests.support.security_groups.example import removal

RULE = Rule(
    id="sgr-0a",
    group="sg-0a",
    direction=Direction.INGRESS,
    protocol=TCP,
    ports=(443, 443),
    peer=ip_network("10.0.0.0/8"),
)


class EndingMeanwhile:
    """A table in which an open removal ends as soon as anything has been read."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}

    def put_item(self, *, Item: Any, **_: Any) -> None:  # noqa: N803 - as boto3 names it
        self.items[Item["pk"]["S"]] = Item

    def get_paginator(self, _: str) -> "EndingMeanwhile":
        return self

    def paginate(self, *, ExpressionAttributeValues: Any, **_: Any) -> Iterator[Any]:  # noqa: N803 - as above
        pk = ExpressionAttributeValues[":pk"]["S"]
        yield {"Items": [self.items[pk]] if pk in self.items else []}
        if "removal" in self.items:
            self.items["ended removal"] = self.items.pop("removal")


def test_a_removal_that_ends_while_all_are_read_is_among_them() -> None:
    table: Any = EndingMeanwhile()
    removals = Removals(table, "ledger")
    removals.save(removal(RULE, RemovalState.QUARANTINED))
    assert {one.rule.id for one in removals.all()} == {RULE.id}
