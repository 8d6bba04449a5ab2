"""The answers to File Status Requested."""

from collections.abc import Mapping
from typing import Any

from berthmaster.batch.file_requests import StatusRequest
from berthmaster.batch.model.backfills import Backfill
from berthmaster.batch.model.bills import Costs
from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.plan.status import Status
from berthmaster.batch.report.backfills import progress_of
from berthmaster.batch.report.notices import money, shown
from berthmaster.notices import Notice

UNKNOWN = "unknown"
"""The state of an object that the ledger does not have."""


def file_status(request: StatusRequest, file: File, status: Status, *, logs: str) -> Notice:
    """Where a file is. logs: the address of its task's log, empty if there is none."""
    launch = file.launch
    task = f"\n\nTask: {launch.task}" if launch and launch.task else ""
    return _notice(
        request,
        {
            "pipeline": file.pipeline,
            "file": file.id,
            "bucket": file.bucket,
            "key": file.key,
            "version_id": file.version_id,
            "state": file.state,
            "received_at": file.received_at.isoformat(timespec="seconds"),
            "since": file.since.isoformat(timespec="seconds"),
            "attempts": file.attempts,
            "failures": file.failures,
            "spot_losses": file.spot_losses,
            "launches": launch.number if launch else 0,
            "dollars": money(file.dollars),
            "task": launch.task if launch else "",
            "logs": logs,
        },
        status,
        headline=f"{shown(file.key)} is {file.state}",
        text=(
            f"The file {shown(file.key)} of the bucket {file.bucket} (pipeline {file.pipeline}, file {file.id}) is"
            f" {file.state}. {status.text}{task}" + (f"\nLog: {logs}" if logs else "")
        ),
        resources=(f"arn:aws:s3:::{file.bucket}/{file.key}",),
    )


def unknown_status(request: StatusRequest, status: Status) -> Notice:
    """The ledger has no such file."""
    return _notice(
        request,
        {
            "pipeline": "",
            "file": request.file,
            "bucket": request.bucket,
            "key": request.key,
            "version_id": request.version_id,
            "state": UNKNOWN,
            "received_at": None,
            "since": None,
            "attempts": 0,
            "failures": 0,
            "spot_losses": 0,
            "launches": 0,
            "dollars": 0,
            "task": "",
            "logs": "",
        },
        status,
        headline=f"{request.subject} is unknown",
        text=f"The ledger has no file {request.subject}. {status.text}",
        resources=request.resources,
    )


def pipeline_status(
    request: StatusRequest,
    pipeline: Pipeline | None,
    counts: Mapping[str, int],
    status: Status,
    *,
    first: File | None,
    costs: Costs,
    backfill: Backfill | None,
) -> Notice:
    """What the files of a pipeline wait for. counts: files `waiting`, `behind` others, `in_flight` and `dead`; workers.

    first: the file that is due first, of which `status` is; None if none waits. backfill: the newest, None without one.
    """
    starting, running = counts["workers_starting"], counts["workers_running"]
    workers = f"{running:,} of its workers run, and {starting:,} start. " if starting or running else ""
    about = f"Of those that wait, {shown(first.key)} is due first. " if first else ""
    return Notice(
        "Pipeline Status",
        {
            "pipeline": request.pipeline,
            "version": pipeline.version if pipeline else None,
            "paused": bool(pipeline and pipeline.paused),
            "limit": pipeline.limits.tasks if pipeline else None,
            **counts,
            "dollars_today": money(costs.today.dollars),
            "dollars_this_month": money(costs.this_month.dollars),
            "dollars_per_day": pipeline.limits.dollars_per_day if pipeline else None,
            "dollars_per_file": None if costs.per_file is None else money(costs.per_file),
            "file": first.id if first else "",
            "backfill": progress_of(backfill) if backfill else None,
            **_said(request, status),
        },
        subject=f"pipeline {request.pipeline}: {counts['waiting']} files wait, {counts['in_flight']} in flight",
        text=(
            f"The pipeline {request.pipeline} has {counts['waiting']:,} files that wait, {counts['in_flight']:,} in"
            f" flight and {counts['dead']:,} dead. {workers}{about}{status.text}"
            f"{_of_backfill(backfill, counts['behind'])}\n{_costs(costs)}"
        ),
    )


def _costs(costs: Costs) -> str:
    today, month = costs.today, costs.this_month
    text = (
        f"Tasks that have stopped have cost ${today.dollars:,.2f} today (UTC) and ${month.dollars:,.2f} this month, by"
        " Berthmaster's prices."
    )
    if month.estimated:
        text += f" ${month.estimated:,.2f} of that are estimates, of tasks that ECS has forgotten."
    if costs.per_file is not None:
        text += f" The last files that have a result have cost ${costs.per_file:,.6f} each on average."
    return text


def _of_backfill(backfill: Backfill | None, behind: int) -> str:
    waiting = f" {behind:,} files wait behind all others." if behind else ""
    if backfill is None:
        return waiting
    done = (
        f" {backfill.counted.files:,} of {backfill.planned.files:,} files are received."
        if backfill.planned.files
        else ""
    )
    return f" Its backfill {backfill.id} is {backfill.stage}.{done}{waiting}"


def _notice(
    request: StatusRequest,
    detail: Mapping[str, Any],
    status: Status,
    *,
    headline: str,
    text: str,
    resources: tuple[str, ...],
) -> Notice:
    return Notice(
        "File Status",
        {**detail, **_said(request, status)},
        resources,
        subject=headline,
        text=text,
        group="file status",
    )


def _said(request: StatusRequest, status: Status) -> dict[str, Any]:
    return {
        "text": status.why,
        "next": status.then,
        "next_at": status.at.isoformat(timespec="seconds") if status.at else None,
        "by": request.by,
        "request_id": request.id,
    }
