"""Who has the addresses of targets that Berthmaster did not register, or does not know of any more.

After a ledger was lost, or before a team adopts Berthmaster, these are the targets of tasks that run and of tasks that
have stopped. An address counts as abandoned only if two looks found that: the first may have come between the
registration of a target and the start of what listens there.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address

from berthmaster.clock import Clock
from berthmaster.targets.model import ClaimKey, Destination, EcsSelector, TargetGroup, Task
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.ecs_registrations import EcsRegistrations
from berthmaster.targets.observe.interfaces import Interfaces
from berthmaster.targets.plan import mapping
from berthmaster.targets.plan.reconciliation import Survey

BETWEEN_LOOKS = timedelta(minutes=10)
"""A look costs a call for 200 addresses."""
BEFORE_SECOND_LOOK = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class _Look:
    at: datetime
    abandoned: frozenset[ClaimKey]


class UnclaimedTargets:
    """Looks at the target groups whose targets are not all claimed, now and then.

    The looks are kept in the container; a new one looks twice again.
    """

    def __init__(self, interfaces: Interfaces, tasks: EcsTasks, registrations: EcsRegistrations, clock: Clock) -> None:
        self._interfaces = interfaces
        self._tasks = tasks
        self._registrations = registrations
        self._clock = clock
        self._looks: dict[str, _Look] = {}

    def added_to(self, survey: Survey, selected: Collection[str]) -> Survey:
        """The survey with its abandoned targets, and those that others use.

        selected: the addresses of all tasks and pods that the tags select, in whatever state.
        """
        arn, group = survey.destination.arn, survey.destination.body
        unclaimed = {key for key in survey.unclaimed() if key not in survey.desired and key.ip not in selected}
        if not isinstance(group, TargetGroup) or not self._is_due(survey):
            return survey
        keys = {key for key in unclaimed if group.contains(key.ip)}
        now, last = self._clock.now(), self._looks.pop(arn, None)
        if not keys:
            return survey
        interfaces = self._interfaces.having((key.ip for key in keys), survey.destination)
        lost = self._without_prefix({key for key in keys if not interfaces.get(key.ip)}, group)
        tasks = self._tasks_at(survey.destination, keys - lost, interfaces)
        left = lost | (tasks.keys() - self._kept(survey.destination, tasks))
        self._looks[arn] = _Look(now, frozenset(left))
        is_second = last is not None and now - last.at >= BEFORE_SECOND_LOOK
        return replace(
            survey,
            abandoned=frozenset(left & last.abandoned) if is_second and last else frozenset(),
            of_others=frozenset(keys - lost - tasks.keys()),
        )

    def _is_due(self, survey: Survey) -> bool:
        last = self._looks.get(survey.destination.arn)
        if last is None or (last.abandoned and survey.destination.declaration.adopts):
            return True
        return self._clock.now() - last.at >= BETWEEN_LOOKS

    def _without_prefix(self, keys: set[ClaimKey], group: TargetGroup) -> set[ClaimKey]:
        """The targets whose addresses no prefix contains either."""
        if not keys:
            return keys
        prefixes = self._interfaces.prefixes(group.vpc_id)
        return {key for key in keys if not any(IPv4Address(key.ip) in prefix for prefix in prefixes)}

    def _tasks_at(
        self, destination: Destination, keys: Iterable[ClaimKey], interfaces: Mapping[str, Collection[str]]
    ) -> dict[ClaimKey, Task]:
        """The tasks of the destination's cluster that have addresses; only those are known to be no other products."""
        chosen = list(keys)
        if not chosen or not isinstance(destination.selector, EcsSelector) or not destination.declaration.adopts:
            return {}
        tasks = self._tasks.of_cluster(destination.selector.cluster)
        by_eni = {task.address.eni_id: task for task in tasks if task.address}
        return {key: by_eni[eni] for key in chosen for eni in interfaces[key.ip] if eni in by_eni}

    def _kept(self, destination: Destination, tasks: Mapping[ClaimKey, Task]) -> set[ClaimKey]:
        """The targets of tasks that the tags select, whatever a list of them says, or that ECS registers itself."""
        services = {(task.cluster, task.service) for task in tasks.values() if task.service}
        registered = self._registrations.of(services, self._clock.now())
        return {
            key
            for key, task in tasks.items()
            if mapping.matches(destination.declaration, task)
            or key.port in registered.get(f"{task.cluster}/{task.service}", {}).get(destination.arn, ())
        }
