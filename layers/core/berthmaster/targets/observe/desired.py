"""What should be registered in one destination."""

from dataclasses import dataclass, field

from berthmaster.targets.model import ClaimKey, Endpoint, Finding


@dataclass(slots=True)
class Desired:
    """What ECS or Kubernetes lists for a destination.

    leaving: owners that are listed as leaving. unclear: owners whose port cannot be determined; what is registered of
    them stays. listed: how many tasks or pods were listed at all, ready or not.
    """

    endpoints: dict[ClaimKey, Endpoint] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    listed: int = 0
