"""Which interfaces and tasks have the addresses of stopped tasks now, in destinations that others use too.

Only there does it matter: a target at such an address may have been registered by someone else.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from berthmaster.clock import Clock
from berthmaster.targets.model import Claim, ClaimKey, EcsSelector, Kind, Task, cluster_of
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.ecs_registrations import EcsRegistrations
from berthmaster.targets.observe.interfaces import Interfaces
from berthmaster.targets.plan.reconciliation import LEFT, ReconcileInput, Survey


class AddressTakeovers:
    """Finds who has addresses now."""

    def __init__(self, interfaces: Interfaces, tasks: EcsTasks, registrations: EcsRegistrations, clock: Clock) -> None:
        self._interfaces = interfaces
        self._clock = clock
        self._tasks = tasks
        self._registrations = registrations

    def added_to(self, survey: Survey, evidence: ReconcileInput) -> Survey:
        """The survey with its targets at addresses that others have now."""
        survey = self._without_lost(survey)
        suspects = {
            key: claim
            for key, claim in survey.claims.items()
            if claim.eni_id and (evidence.owners.get(claim.owner) in LEFT or claim.awaits_deregistration)
        }
        if not suspects or not survey.is_shared:
            return survey
        interfaces = self._interfaces.having((key.ip for key in suspects), survey.destination)
        taken_over = {
            key for key, claim in suspects.items() if interfaces.get(key.ip) and claim.eni_id not in interfaces[key.ip]
        }
        is_ecs = isinstance(survey.destination.selector, EcsSelector)
        tasks = self._tasks_at(taken_over, suspects, interfaces) if is_ecs else {}
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

    def _without_lost(self, survey: Survey) -> Survey:
        """The survey of an unwatched target group with its lost targets.

        In Cloud Map nobody else has instances with our ids.
        """
        if not survey.is_unwatched or survey.destination.kind is not Kind.TARGET_GROUP:
            return survey
        suspects = {
            key: claim
            for key, claim in survey.claims.items()
            if (claim.holds_target or claim.awaits_deregistration or claim.awaits_handover)
            and (key not in survey.desired or survey.desired[key].owner != claim.owner)
        }
        interfaces = self._interfaces.having((key.ip for key in suspects), survey.destination)
        return replace(
            survey,
            lost=frozenset(
                key for key, one in suspects.items() if interfaces.get(key.ip) and one.eni_id not in interfaces[key.ip]
            ),
        )

    def _tasks_at(
        self, keys: Collection[ClaimKey], suspects: Mapping[ClaimKey, Claim], interfaces: Mapping[str, Collection[str]]
    ) -> dict[ClaimKey, Task]:
        """The tasks that have addresses now, as far as they run in the clusters of the former owners."""
        found: dict[ClaimKey, Task] = {}
        for cluster in sorted({cluster_of(suspects[key].owner) for key in keys}):
            by_eni = {task.address.eni_id: task for task in self._tasks.of_cluster(cluster) if task.address}
            found |= {key: by_eni[eni] for key in keys for eni in interfaces[key.ip] if eni in by_eni}
        return found
