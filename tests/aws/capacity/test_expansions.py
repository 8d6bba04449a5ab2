"""The ledger of expansions in DynamoDB."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState, new_id
from berthmaster.failures import Failures
from berthmaster.items import Conflict, Unreadable
from simulator.cloud import Cloud
from tests.support.capacity.builders import NOON, VPC, an_expansion
from tests.support.tables import CAPACITY_TABLE, create_capacity_table


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with Cloud(seed=3) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        yield cloud.client("dynamodb")


def later(expansion: Expansion, hours: int, **changes: Any) -> Expansion:
    """Another expansion, begun some hours later."""
    begun = expansion.created_at + timedelta(hours=hours)
    return replace(expansion, id=new_id(expansion.vpc_id, begun), created_at=begun, changed_at=begun, **changes)


def test_an_expansion_is_read_as_it_was_saved(dynamodb: Any) -> None:
    expansions = Expansions(dynamodb, CAPACITY_TABLE)
    saved = expansions.save(an_expansion(ExpansionState.RUNNING))
    assert saved == replace(an_expansion(ExpansionState.RUNNING), version=1)
    assert expansions.get(saved.id) == saved
    assert expansions.get("vpc-0a1b2c3d.20260302T120000Z") is None


def test_the_expansions_of_a_vpc_come_newest_first_without_those_of_others(dynamodb: Any) -> None:
    expansions = Expansions(dynamodb, CAPACITY_TABLE)
    first = an_expansion(ExpansionState.DONE)
    other = replace(first, id=new_id(f"{VPC}9", NOON), vpc_id=f"{VPC}9")
    saved = [expansions.save(one) for one in (first, later(first, 1), later(first, 2))]
    expansions.save(other)
    assert expansions.of_vpc(VPC) == saved[::-1]


def test_expansions_to_be_continued_or_published_are_found_in_every_vpc(dynamodb: Any) -> None:
    expansions = Expansions(dynamodb, CAPACITY_TABLE)
    for hours, state in enumerate(ExpansionState):
        expansions.save(later(an_expansion(state), hours))
    expansions.save(later(an_expansion(ExpansionState.DONE), 100, unpublished=True))
    found = [one.state for one in expansions.of_all(Failures()) if one.is_pending]
    pending = {ExpansionState.RUNNING, ExpansionState.WIRING, ExpansionState.RETIRING, ExpansionState.DONE}
    assert sorted(found) == sorted(pending)


@pytest.mark.parametrize(
    "damage", [{"body": {"S": "{"}}, {"body": {"S": "{}"}}, {"schema": {"N": "9"}}, {"schema": {"S": ""}}]
)
def test_a_record_that_cannot_be_read_is_named_and_stands_in_the_way_of_its_own_vpc_only(
    dynamodb: Any, damage: Any
) -> None:
    expansions = Expansions(dynamodb, CAPACITY_TABLE)
    bad = expansions.save(an_expansion(ExpansionState.DONE))
    good = expansions.save(replace(bad, id=new_id(f"{VPC}9", NOON), vpc_id=f"{VPC}9", version=0))
    key = {"pk": {"S": "expansion"}, "sk": {"S": bad.id}}
    item = dynamodb.get_item(TableName=CAPACITY_TABLE, Key=key)["Item"]
    dynamodb.put_item(TableName=CAPACITY_TABLE, Item=item | damage)

    failures = Failures()
    assert expansions.of_all(failures) == [good]
    assert len(failures) == 1
    assert expansions.of_vpc(f"{VPC}9") == [good]
    with pytest.raises(Unreadable, match=f"pk=expansion sk={bad.id}"):
        expansions.of_vpc(VPC)


def test_an_expansion_that_another_invocation_has_changed_is_not_overwritten(dynamodb: Any) -> None:
    expansions = Expansions(dynamodb, CAPACITY_TABLE)
    read = expansions.save(an_expansion(ExpansionState.RUNNING))
    expansions.save(read.moved(ExpansionState.DONE, NOON))
    with pytest.raises(Conflict):
        expansions.save(read.moved(ExpansionState.FAILED, NOON))
    assert [one.state for one in expansions.of_vpc(VPC)] == [ExpansionState.DONE]


@pytest.mark.parametrize("state", ExpansionState)
def test_only_the_record_of_what_left_nothing_in_aws_expires(dynamodb: Any, state: ExpansionState) -> None:
    Expansions(dynamodb, CAPACITY_TABLE).save(an_expansion(state))
    (item,) = dynamodb.scan(TableName=CAPACITY_TABLE)["Items"]
    expires = {"N": str(int((NOON + timedelta(days=90)).timestamp()))}
    assert item.get("expires") == (expires if state.left_nothing else None)


def test_the_record_of_a_block_that_is_left_does_not_expire(dynamodb: Any) -> None:
    retired = replace(an_expansion(ExpansionState.RETIRED), association_id="vpc-cidr-assoc-00000000000000001")
    Expansions(dynamodb, CAPACITY_TABLE).save(retired)
    (item,) = dynamodb.scan(TableName=CAPACITY_TABLE)["Items"]
    assert "expires" not in item
