"""Backfill: flow logs of the past, found in their bucket and put into the queue of security_groups_credit.

What it has come to is recorded after each page of a listing, so that it goes on there after a crash; a file that is
queued twice is credited once.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from berthmaster.concurrently import concurrently, results_of
from berthmaster.items import Items
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import accepted, refused
from berthmaster.security_groups.model.backfills import Backfill
from berthmaster.security_groups.plan.log_objects import LogObject, log_object
from berthmaster.security_groups.report.notices import backfill_completed
from berthmaster.security_groups.report_triggers import FIND_OBJECTS, BackfillRequest
from berthmaster.security_groups.triggers import READ_FLOW_LOG
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.invocation import Invocation
    from berthmaster.notices import Notice, Notices
    from berthmaster.security_groups.settings import ReportSettings

AT_ONCE = 8
LEAST_TIME = timedelta(seconds=60)
"""With less time left no page is begun: a thousand messages take some seconds."""
KEPT_FOR = timedelta(days=90)
AT_ONCE_NOW = timedelta()


class Backfills:
    """Answers requests for backfills, and goes on with them."""

    def __init__(self, settings: "ReportSettings", clients: "Clients", clock: "Clock", notices: "Notices") -> None:
        table = settings.security_groups_table
        self._clients = clients
        self._clock = clock
        self._mode = settings.security_groups_mode
        self._buckets = settings.flow_log_buckets
        self._notices = notices
        self._items = Items(clients.dynamodb, table, "backfill", Backfill)
        self._own = OwnQueue(clients, clock, settings.security_groups_report_queue_url)
        self._credit = OwnQueue(clients, clock, settings.security_groups_credit_queue_url)

    def answer(self, request: BackfillRequest) -> "Notice":
        """Begin what a request asks for, once however often it is received."""
        if self._mode is Mode.OFF:
            return refused(request, "the mode is off")
        if f"arn:aws:s3:::{request.bucket}" not in {_plain(one) for one in self._buckets}:
            return refused(request, f"detail.bucket: {request.bucket} is none of the FlowLogBuckets")
        wanted = Backfill(
            id=request.id,
            bucket=request.bucket,
            prefix=request.prefix,
            since=request.since,
            until=request.until,
            by=request.by,
        )
        if self._items.get(request.id) is None:
            self._items.save(wanted, expires=self._clock.now() + KEPT_FOR)
        self._own.send(FIND_OBJECTS, {"backfill": request.id}, AT_ONCE_NOW)
        return accepted(
            request,
            f"files of flow logs from {request.since} to {request.until} are being queued; Flow Log Backfill Completed"
            " follows. What was used before interfaces and groups were recorded counts as possible use",
        )

    def carry_on(self, id_: str, invocation: "Invocation") -> None:
        """Queue files page by page while there is time, and have the rest done by another invocation."""
        found = self._items.get(id_)
        if found is None or found.is_over or self._mode is Mode.OFF:
            logger.info("backfill not gone on with", backfill=id_)
            return
        while not found.is_over:
            if invocation.time_left(self._clock.now()) < LEAST_TIME:
                self._own.send(FIND_OBJECTS, {"backfill": id_}, AT_ONCE_NOW)
                return
            found = self._page(found)
            if found.is_over:
                self._notices.publish([backfill_completed(found)])
            found = self._items.save(found, expires=self._clock.now() + KEPT_FOR)

    def _page(self, at: Backfill) -> Backfill:
        """Queue the files of one page."""
        answer = self._clients.s3.list_objects_v2(Bucket=at.bucket, Prefix=at.prefix, StartAfter=at.after)
        listed = answer.get("Contents", [])
        since = datetime.combine(at.since, time(), UTC).timestamp()
        until = datetime.combine(at.until + timedelta(days=1), time(), UTC).timestamp()
        objects = [log_object(at.bucket, one["Key"], one["ETag"].strip('"'), one["Size"]) for one in listed]
        wanted = [one for one in objects if one and since <= one.time < until]
        results_of(concurrently(self._queue, wanted, at_once=AT_ONCE))
        return replace(
            at,
            after=listed[-1]["Key"] if listed else at.after,
            files=at.files + len(wanted),
            bytes=at.bytes + sum(one.size for one in wanted),
            others=at.others + len(listed) - len(wanted),
            is_over=not answer["IsTruncated"],
        )

    def _queue(self, found: LogObject) -> None:
        detail: dict[str, Any] = {
            "bucket": found.bucket,
            "key": found.key,
            "etag": found.etag,
            "size": found.size,
        }
        self._credit.send(READ_FLOW_LOG, detail, AT_ONCE_NOW)


def _plain(arn: str) -> str:
    """Whatever the partition."""
    return f"arn:aws:{arn.split(':', 2)[2]}"
