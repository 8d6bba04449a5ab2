"""CloudFormation stacks show their status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from simulator.aws.cloudformation.stacks import Stacks

if TYPE_CHECKING:
    from simulator.cloud import Cloud


def test_a_stack_is_found_by_name_and_by_id(cloud: Cloud) -> None:
    stacks, cloudformation = cloud.state(Stacks), cloud.client("cloudformation")
    shop, till = stacks.create("shop"), stacks.create("till")
    stacks.statuses[till] = "UPDATE_IN_PROGRESS"
    for name in ("till", till):
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert (found["StackId"], found["StackStatus"]) == (till, "UPDATE_IN_PROGRESS")
    assert [one["StackId"] for one in cloudformation.describe_stacks()["Stacks"]] == [shop, till]


def test_an_unknown_stack_is_a_validation_error(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match=r"ValidationError.*Stack with id shop does not exist"):
        cloud.client("cloudformation").describe_stacks(StackName="shop")
