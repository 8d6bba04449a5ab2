"""What people should know of a resource, and how resources are named for them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a resource that a person should know and that Berthmaster cannot change.

    resource: its id or ARN. name: its tag Name. code: a short name of the problem. text: the problem, for people.
    """

    resource: str
    name: str
    code: str
    text: str


def named(resource_id: str, name: str) -> str:
    """A resource as people know it: its id, and its tag Name if it has one."""
    return f"{resource_id} ({name})" if name else resource_id
