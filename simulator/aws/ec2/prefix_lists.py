"""Managed prefix lists: made in a moment, with versions that stay readable; a change names the version it changes."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.filters import select
from simulator.aws.ec2.lookup import tag_list, tags_of
from simulator.calls import is_function
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params

FIELDS = {
    "owner-id": lambda one: [one.owner_id],
    "prefix-list-id": lambda one: [one.id],
    "prefix-list-name": lambda one: [one.prefix_list_name],
}
LARGEST = 1000
"""Entries of a list, at most."""
MAKING = 2.0
"""Seconds for which a new list is in progress; AWS promises none."""
LIST_RESOURCE = "prefix-list"


class Made:
    """By the ClientToken of a request: what it asked for, and the list that it made."""

    def __init__(self, _: Account) -> None:
        self.by_token: dict[str, tuple[dict[str, Any], str]] = {}


def create_managed_prefix_list(account: Account, params: Params) -> dict[str, Any]:
    """CreateManagedPrefixList: no rule may name it while it is in progress. People wait for that; functions must.

    A ClientToken that was used before returns the list that was made then.
    """
    asked = {name: value for name, value in params.items() if name not in ("ClientToken", "DryRun")}
    made, token = account.state(Made).by_token, params.get("ClientToken", "")
    if token in made:
        before, list_id = made[token]
        if before != asked:
            message = "The client token has been used before with other parameters."
            raise AwsError("IdempotentParameterMismatch", message)
        return {"PrefixList": _described(account, _find(account, list_id))}
    entries, most = params.get("Entries", []), params["MaxEntries"]
    if params["AddressFamily"] not in ("IPv4", "IPv6"):
        raise AwsError("InvalidParameterValue", f"Invalid address family: {params['AddressFamily']}")
    if not 1 <= most <= LARGEST or params["PrefixListName"].startswith("com.amazonaws"):
        raise AwsError("InvalidParameterValue", f"Invalid name or maximum size of a prefix list: {most}")
    if len(entries) > most:
        raise AwsError("PrefixListMaxEntriesExceeded", "The prefix list has too many entries.")
    stop_dry_run(params)
    one = account.backend("ec2").create_managed_prefix_list(
        params["AddressFamily"],
        [{**entry, "Cidr": str(ip_network(entry["Cidr"]))} for entry in entries],
        str(most),
        params["PrefixListName"],
        _tags(params),
    )
    if is_function():
        one.state = "create-in-progress"
        account.later(MAKING, lambda: _complete(one))
    if token:
        made[token] = asked, one.id
    return {"PrefixList": _described(account, one)}


def _complete(one: Any) -> None:
    if one.state == "create-in-progress":
        one.state = "create-complete"


def _tags(params: Params) -> dict[str, str]:
    found = [one["Tags"] for one in params.get("TagSpecifications", []) if one["ResourceType"] == LIST_RESOURCE]
    return {tag["Key"]: tag["Value"] for tags in found for tag in tags}


def _find(account: Account, list_id: str) -> Any:
    one = account.backend("ec2").managed_prefix_lists.get(list_id)
    if one is None or one.state == "delete-complete":
        raise AwsError("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
    return one


def describe_managed_prefix_lists(account: Account, params: Params) -> dict[str, Any]:
    """DescribeManagedPrefixLists; those of AWS have no version."""
    stop_dry_run(params)
    lists = [one for one in account.backend("ec2").managed_prefix_lists.values() if one.state != "delete-complete"]
    if wanted := params.get("PrefixListIds", []):
        lists = [_find(account, list_id) for list_id in wanted]
    chosen = select(lists, params.get("Filters", []), FIELDS, lambda one: tags_of(account, one.id))
    return {"PrefixLists": [_described(account, one) for one in chosen]}


def _described(account: Account, one: Any) -> dict[str, Any]:
    answer = {
        "PrefixListId": one.id,
        "AddressFamily": one.address_family,
        "State": one.state,
        "PrefixListArn": one.prefix_list_arn,
        "PrefixListName": one.prefix_list_name,
        "Tags": tag_list(account, one.id),
        "OwnerId": one.owner_id,
    }
    if one.version is not None:
        answer |= {"Version": one.version, "MaxEntries": int(one.max_entries)}
    return answer


def get_managed_prefix_list_entries(account: Account, params: Params) -> dict[str, Any]:
    """GetManagedPrefixListEntries, of the version that is asked for or of the newest."""
    stop_dry_run(params)
    one = _find(account, params["PrefixListId"])
    version = params.get("TargetVersion", one.version)
    if version is not None and not 1 <= version <= one.version:
        raise AwsError("InvalidParameterValue", f"The prefix list version '{version}' does not exist.")
    # moto keeps those of AWS, which have no version, as the first one.
    return {"Entries": [dict(entry) for entry in one.entries.get(version or 1, [])]}


def modify_managed_prefix_list(account: Account, params: Params) -> dict[str, Any]:
    """ModifyManagedPrefixList: entries added and removed are a new version."""
    one = _find(account, params["PrefixListId"])
    if one.version is None:
        raise AwsError("UnauthorizedOperation", "You are not authorized to perform this operation.", status=403)
    if "PrefixListName" in params:
        one.prefix_list_name = params["PrefixListName"]
    added, removed = params.get("AddEntries", []), {entry["Cidr"] for entry in params.get("RemoveEntries", [])}
    if added or removed:
        if params.get("CurrentVersion") != one.version:
            message = f"The prefix list has the version {one.version}."
            raise AwsError("PrefixListVersionMismatch", message)
        entries = {entry["Cidr"]: entry for entry in one.entries.get(one.version, []) if entry["Cidr"] not in removed}
        entries |= {str(ip_network(entry["Cidr"])): dict(entry) for entry in added}
        if len(entries) > int(one.max_entries):
            raise AwsError("PrefixListMaxEntriesExceeded", "The prefix list has too many entries.")
        stop_dry_run(params)
        one.version += 1
        one.entries[one.version] = list(entries.values())
    one.state = "modify-complete"
    return {"PrefixList": _described(account, one)}


HANDLERS: Handlers = {
    "ec2:CreateManagedPrefixList": create_managed_prefix_list,
    "ec2:DescribeManagedPrefixLists": describe_managed_prefix_lists,
    "ec2:GetManagedPrefixListEntries": get_managed_prefix_list_entries,
    "ec2:ModifyManagedPrefixList": modify_managed_prefix_list,
}
