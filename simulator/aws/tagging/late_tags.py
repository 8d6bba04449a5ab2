"""How GetResources follows changes of tags: it may show them late, and list what has been deleted.

The Resource Groups Tagging API Reference says that resources which had tags may be returned, too, and not how late it
is; users saw deleted resources for hours (boto/boto3#3341, aws/aws-cli#4173).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.aws.tagging.tagged import live_tags, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulator.account import Account, Handler, Handlers, Params, Parsed, Patches

type Tags = dict[str, str]


class Tagging:
    """What the tags of resources were before they were changed.

    delay: seconds until GetResources shows a change. deleted_shown: seconds for which it lists what has been deleted,
    if that is longer. Only changes while one of them is set are shown late.
    """

    def __init__(self, account: Account) -> None:
        self.delay = 0.0
        self.deleted_shown = 0.0
        self._account = account
        self._past: dict[str, list[tuple[float, Tags]]] = {}

    def shown(self) -> Iterator[tuple[str, Tags]]:
        """Each resource that GetResources knows, and its tags: by ARN, those that exist first."""
        live = live_tags(self._account)
        moment = self._account.clock.timestamp() - self.delay
        for arn in dict.fromkeys((*live, *self._past)):
            past = self._past.get(arn, ())
            yield arn, next((tags for until, tags in past if until > moment), live.get(arn, {}))

    def change(self, arns: Iterable[str]) -> None:
        """Remember the tags of resources that are about to change."""
        for arn in arns:
            self._remember(arn, tags_of(self._account, arn))

    def created(self, arn: str) -> None:
        """Remember that a resource was not there."""
        self._remember(arn, {})

    def deleted(self, arn: str) -> None:
        """Remember a resource that is not there any more."""
        self._remember(arn, tags_of(self._account, arn), longer=max(0.0, self.deleted_shown - self.delay))

    def _remember(self, arn: str, tags: Tags, *, longer: float = 0.0) -> None:
        if self.delay or self.deleted_shown:
            until = self._account.clock.timestamp() + longer
            self._past.setdefault(arn, []).append((until, tags))


def _before(parameter: str) -> Handler:
    def remember(account: Account, params: Params) -> None:
        named = params[parameter]
        account.state(Tagging).change([named] if isinstance(named, str) else named)

    return remember


def _group_created(account: Account, _: Params, response: Parsed) -> None:
    account.state(Tagging).created(response["TargetGroups"][0]["TargetGroupArn"])


def _group_deleted(account: Account, params: Params, _: Parsed) -> None:
    account.state(Tagging).deleted(params["TargetGroupArn"])


def _service_created(account: Account, _: Params, response: Parsed) -> None:
    account.state(Tagging).created(response["Service"]["Arn"])


def _service_deleted(account: Account, params: Params, _: Parsed) -> None:
    identifier = params["Id"].rsplit("/", 1)[-1]
    account.state(Tagging).deleted(
        f"arn:aws:servicediscovery:{account.region}:{account.account_id}:service/{identifier}"
    )


HANDLERS: Handlers = {
    "elbv2:AddTags": _before("ResourceArns"),
    "elbv2:RemoveTags": _before("ResourceArns"),
    "servicediscovery:TagResource": _before("ResourceARN"),
    "servicediscovery:UntagResource": _before("ResourceARN"),
}
PATCHES: Patches = {
    "elbv2:CreateTargetGroup": _group_created,
    "elbv2:DeleteTargetGroup": _group_deleted,
    "servicediscovery:CreateService": _service_created,
    "servicediscovery:DeleteService": _service_deleted,
}
