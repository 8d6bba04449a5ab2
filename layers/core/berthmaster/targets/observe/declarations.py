"""Which target groups and Cloud Map services are managed, by their tags."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring
from berthmaster.targets.model import MANAGED_TAG, Declaration, Finding
from berthmaster.targets.plan import mapping

RESOURCES_PER_PAGE = 100
VALID_FOR = timedelta(seconds=45)
RESOURCE_TYPES = ("elasticloadbalancing:targetgroup", "servicediscovery:service")


@dataclass(frozen=True, slots=True)
class Declared:
    """What all tags together ask for, sorted by ARN; findings: tags that are wrong."""

    declarations: tuple[Declaration, ...]
    findings: tuple[Finding, ...]

    @property
    def arns(self) -> set[str]:
        """Everything that is tagged, rightly or not."""
        return {one.arn for one in self.declarations} | {one.destination for one in self.findings}


class Declarations:
    """The tags of one account and Region, kept in the container."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._kept: Expiring[Declared] = Expiring()

    def read(self, *, fresh: bool = False) -> Declared:
        """What the tags ask for; fresh: read them now even if they were read a moment ago."""
        now = self._clock.now()
        kept = None if fresh else self._kept.get("", now)
        return kept or self._kept.put("", self._read(), now, VALID_FOR)

    def _read(self) -> Declared:
        declarations: list[Declaration] = []
        findings: list[Finding] = []
        for arn, tags in self._tags():
            one = mapping.declaration(arn, tags)
            if isinstance(one, Declaration):
                declarations.append(one)
            elif one is not None:
                findings.append(one)
        return Declared(tuple(sorted(declarations, key=lambda one: one.arn)), tuple(findings))

    def _tags(self) -> Iterator[tuple[str, dict[str, str]]]:
        pages = self._clients.tagging.get_paginator("get_resources").paginate(
            ResourceTypeFilters=list(RESOURCE_TYPES),
            TagFilters=[{"Key": MANAGED_TAG}],
            PaginationConfig={"PageSize": RESOURCES_PER_PAGE},
        )
        for page in pages:
            for one in page["ResourceTagMappingList"]:
                yield one["ResourceARN"], {tag["Key"]: tag["Value"] for tag in one["Tags"]}
