"""What batch_reconcile has found out about a task is handed on, written down, or the task is stopped."""

from collections.abc import Callable
from datetime import timedelta

from berthmaster.batch.act.stop import stop_task
from berthmaster.batch.observe.tasks import cluster_of
from berthmaster.batch.plan.identity import group_of
from berthmaster.batch.plan.overdue import Report, Save, Step, Stop
from berthmaster.batch.triggers import task_event
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Conflict
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Stopped, Switch
from berthmaster.telemetry import logger


class Healing:
    """Carries out one step about a file or a worker. follow: the queue of batch_follow."""

    def __init__(self, clients: Clients, clock: Clock, switch: Switch, *, stack: str, follow: OwnQueue) -> None:
        self._clients = clients
        self._clock = clock
        self._switch = switch
        self._stack = stack
        self._follow = follow

    def heal[Kept](
        self, record: Kept, step: Step[Kept] | None, save: Callable[[Kept], Kept], *, pipeline: str, named: str
    ) -> None:
        """Do it; nothing if there is nothing to do, or another invocation has written the record meanwhile.

        named: the id of the file or worker, for the log.
        """
        try:
            match step:
                case Report(detail, reason):
                    detail = {**detail, "group": group_of(self._stack, pipeline)}
                    self._follow.defer(task_event(detail, self._clock.now()), timedelta())
                    logger.info("task state handed on", of=named, reason=reason)
                case Save(changed, reason):
                    save(changed)
                    logger.info("task noted", of=named, reason=reason)
                case Stop(changed, arn, reason):
                    self._switch.check()
                    if changed != record:
                        save(changed)
                    stop_task(self._clients.ecs, arn, cluster_of(arn), reason)
                    logger.info("task stopped", of=named, task=arn, reason=reason)
        except Conflict:
            logger.info("changed meanwhile", of=named)
        except Stopped as error:
            logger.info("task not stopped", of=named, reason=str(error))
