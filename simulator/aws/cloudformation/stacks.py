"""CloudFormation stacks as DescribeStacks shows them: a name, an id, and a status that says whether one is updated.

What a stack creates and changes is left to the test; its resources have the tag `aws:cloudformation:stack-id`. Source:
DescribeStacks in the CloudFormation API reference, and "Resource tags" of its guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params

STACK_ID_TAG = "aws:cloudformation:stack-id"


class Stacks:
    """The stacks of an account; statuses: by the id of a stack."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._created_at: dict[str, Any] = {}
        self.statuses: dict[str, str] = {}

    def create(self, name: str) -> str:
        """Create a stack; returns its id."""
        account = self._account
        home = f"arn:aws:cloudformation:{account.region}:{account.account_id}"
        stack_id = f"{home}:stack/{name}/{mock_random.uuid4()}"
        self.statuses[stack_id] = "CREATE_COMPLETE"
        self._created_at[stack_id] = account.clock.now()
        return stack_id

    def described(self, stack_id: str) -> dict[str, Any]:
        """A stack as DescribeStacks shows it."""
        return {
            "StackId": stack_id,
            "StackName": stack_id.split("/")[1],
            "CreationTime": self._created_at[stack_id],
            "StackStatus": self.statuses[stack_id],
        }


def describe_stacks(account: Account, params: Params) -> dict[str, Any]:
    """DescribeStacks of all stacks, or of one by name or id; an unknown one is a ValidationError."""
    stacks, name = account.state(Stacks), params.get("StackName")
    found = [one for one in stacks.statuses if name in {None, one, one.split("/")[1]}]
    if name and not found:
        raise AwsError("ValidationError", f"Stack with id {name} does not exist")
    return {"Stacks": [stacks.described(one) for one in found]}


HANDLERS: Handlers = {"cloudformation:DescribeStacks": describe_stacks}
