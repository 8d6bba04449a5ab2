"""Which interfaces and tasks have the addresses of stopped tasks now, in destinations that others use too.

Only there does it matter: a target at such an address may have been registered by someone else.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.model import Claim, ClaimKey, Destination, TargetGroup, Task, cluster_of
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.ecs_registrations import EcsRegistrations
from berthmaster.targets.plan.reconciliation import LEFT, ReconcileInput, Survey

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

ADDRESSES_PER_CALL = 200
"""Values that one filter of EC2 takes."""


class AddressTakeovers:
    """Finds who has addresses now."""

    def __init__(self, clients: Clients, clock: Clock, tasks: EcsTasks, registrations: EcsRegistrations) -> None:
        self._clients = clients
        self._clock = clock
        self._tasks = tasks
        self._registrations = registrations

    def added_to(self, survey: Survey, evidence: ReconcileInput) -> Survey:
        """The survey with its targets at addresses that others have now."""
        suspects = {
            key: claim
            for key, claim in survey.claims.items()
            if claim.eni_id and (evidence.owners.get(claim.owner) in LEFT or claim.awaits_deregistration)
        }
        if not suspects or not survey.is_shared:
            return survey
        interfaces = self._interfaces((key.ip for key in suspects), survey.destination)
        taken_over = {
            key for key, claim in suspects.items() if interfaces.get(key.ip) and claim.eni_id not in interfaces[key.ip]
        }
        tasks = self._tasks_at(taken_over, suspects, interfaces)
        services = {(task.cluster, task.service) for task in tasks.values() if task.service}
        registered = self._registrations.of(services, self._clock.now())
        arn = survey.destination.arn
        return replace(
            survey,
            taken_over=frozenset(taken_over - set(tasks)),
            registered_by_ecs=frozenset(
                key
                for key, task in tasks.items()
                if key.port in registered.get(f"{task.cluster}/{task.service}", {}).get(arn, ())
            ),
        )

    def _interfaces(self, ips: Iterable[str], destination: Destination) -> dict[str, list[str]]:
        """The interfaces that have addresses now, within the VPC if it is known: addresses repeat between VPCs."""
        group = destination.body if isinstance(destination.body, TargetGroup) else None
        by_vpc: dict[str, list[str]] = defaultdict(list)
        for ip in sorted(set(ips)):
            by_vpc[group.vpc_id if group and group.contains(ip) else ""].append(ip)
        found: dict[str, list[str]] = defaultdict(list)
        for vpc_id, some in by_vpc.items():
            within: list[FilterTypeDef] = [{"Name": "vpc-id", "Values": [vpc_id]}] if vpc_id else []
            for batch in batched(some, ADDRESSES_PER_CALL, strict=False):
                pages = self._clients.ec2.get_paginator("describe_network_interfaces").paginate(
                    Filters=[{"Name": "addresses.private-ip-address", "Values": list(batch)}, *within]
                )
                for page in pages:
                    for interface in page["NetworkInterfaces"]:
                        for address in interface["PrivateIpAddresses"]:
                            found[address["PrivateIpAddress"]].append(interface["NetworkInterfaceId"])
        return found

    def _tasks_at(
        self, keys: Collection[ClaimKey], suspects: Mapping[ClaimKey, Claim], interfaces: Mapping[str, Collection[str]]
    ) -> dict[ClaimKey, Task]:
        """The tasks that have addresses now, as far as they run in the clusters of the former owners."""
        found: dict[ClaimKey, Task] = {}
        for cluster in sorted({cluster_of(suspects[key].owner) for key in keys}):
            by_eni = {task.address.eni_id: task for task in self._tasks.of_cluster(cluster) if task.address}
            found |= {key: by_eni[eni] for key in keys for eni in interfaces[key.ip] if eni in by_eni}
        return found
