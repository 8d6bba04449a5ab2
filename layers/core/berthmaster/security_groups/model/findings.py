"""What people should know, and what only they can change."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a flow log, a bucket or a VPC that keeps rules from being judged.

    resource: its id, name or ARN. code: a short name of the problem. text: the problem, for people; no full stop.
    """

    resource: str
    code: str
    text: str
