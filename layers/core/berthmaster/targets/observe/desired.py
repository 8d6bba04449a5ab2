"""What should be registered in one destination."""

from dataclasses import dataclass, field

from berthmaster.targets.model import ClaimKey, Endpoint, Finding


@dataclass(slots=True)
class Desired:
    """What ECS or Kubernetes lists for a destination.

    leaving: owners that are listed as leaving. unclear: owners whose port cannot be determined; what is registered of
    them stays. not_ready: tasks and pods, by ARN and name, that run and are not ready. addresses, listed: those of all
    tasks or pods that were listed, ready or not, and how many these are.
    """

    endpoints: dict[ClaimKey, Endpoint] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    not_ready: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    listed: int = 0
