"""The ECS tasks that selectors select: one list of a cluster serves many selectors, if the cluster is small enough."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from berthmaster.concurrently import concurrently
from berthmaster.targets.model import EcsSelector, Task
from berthmaster.targets.observe.ecs import EcsTasks

CLUSTERS_AT_ONCE = 3
SELECTORS_AT_ONCE = 3
"""At so many clusters at once, nine calls."""

type Found = dict[EcsSelector, list[Task] | Exception]


class SelectedTasks:
    """Lists and describes tasks."""

    def __init__(self, tasks: EcsTasks) -> None:
        self._tasks = tasks
        self._large: set[str] = set()

    def read(self, selectors: Iterable[EcsSelector]) -> Found:
        """The tasks of each selector, or the error: MissingEvidence if its cluster or service does not exist."""
        by_cluster: dict[str, list[EcsSelector]] = defaultdict(list)
        for one in selectors:
            by_cluster[one.cluster].append(one)
        found: Found = {}
        for cluster in concurrently(self._of_cluster, by_cluster.values(), at_once=CLUSTERS_AT_ONCE):
            found |= dict.fromkeys(cluster.item, cluster.error) if cluster.error else cluster.result
        return found

    def _of_cluster(self, selectors: Sequence[EcsSelector]) -> Found:
        cluster = selectors[0].cluster
        found: Found = {}
        if len(selectors) > 1 and cluster not in self._large:
            tasks = self._tasks.of_small_cluster(cluster, len(selectors))
            if tasks is None:
                self._large.add(cluster)
            else:
                found |= {one: own for one in selectors if (own := [task for task in tasks if _selects(one, task)])}
        # Of a selector without tasks ECS is asked by name: the service may not exist.
        return found | self._one_by_one([one for one in selectors if one not in found])

    def _one_by_one(self, selectors: Sequence[EcsSelector]) -> Found:
        """List each selector, and describe the tasks of all together, a hundred a call."""
        found: Found = {}
        listed: dict[EcsSelector, list[str]] = {}
        for one in concurrently(self._tasks.listed, selectors, at_once=SELECTORS_AT_ONCE):
            if one.error:
                found[one.item] = one.error
            else:
                listed[one.item] = one.result
        try:
            tasks = self._tasks.described(arn for arns in listed.values() for arn in arns)
        except Exception as error:  # noqa: BLE001 - raised for the destinations that it concerns
            return found | dict.fromkeys(listed, error)
        return found | {selector: [tasks[arn] for arn in arns if arn in tasks] for selector, arns in listed.items()}


def _selects(selector: EcsSelector, task: Task) -> bool:
    return selector.service == task.service if selector.service else selector.family == task.family
