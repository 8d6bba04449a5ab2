"""The notices about packing: what was chosen for the files that wait, and what became of it."""

from datetime import datetime

from berthmaster.batch.model.packing import PackingRun, Plan, Workload
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.notices import Notice


def packing_chosen(pipeline: Pipeline, workload: Workload, plan: Plan) -> Notice:
    """How the files that wait are processed from now on."""
    return Notice(
        "Packing Chosen",
        {
            "pipeline": pipeline.name,
            "files": workload.files,
            "packing": "single" if plan.is_single else "workers",
            "workers": plan.wanted,
            "size": {"cpu": plan.size.cpu, "memory": plan.size.memory},
            "provider": plan.provider,
            "goal_minutes": pipeline.goal_minutes or None,
            "dollars": plan.dollars,
            "ends_at": _iso(plan.ends_at),
            "reason": plan.reason,
        },
    )


def packing_compared(run: PackingRun, *, files: float, dollars: float, at: datetime) -> Notice:
    """What was predicted for the work that a pipeline had, and what became of it."""
    is_predicted = run.predicted_files > 0
    predicted = run.predicted_dollars / run.predicted_files if is_predicted else None
    actual = dollars / files if files else None
    return Notice(
        "Packing Compared",
        {
            "pipeline": run.pipeline,
            "began_at": run.began.isoformat(),
            "ended_at": at.isoformat(),
            "files": round(files),
            "dollars": dollars,
            "predicted_files": run.predicted_files if is_predicted else None,
            "predicted_dollars": run.predicted_dollars if is_predicted else None,
            "predicted_end": _iso(run.predicted_end),
            "dollars_per_file": actual,
            "predicted_dollars_per_file": predicted,
            "text": _text(run, actual, predicted),
        },
    )


def _text(run: PackingRun, actual: float | None, predicted: float | None) -> str:
    if actual is None:
        return f"No file of {run.pipeline} was processed by workers, or none was measured."
    if not predicted:
        return f"{_price(actual, run.pipeline)}; nothing was known before to predict that by."
    more = actual / predicted - 1
    change = f"{abs(more):.0%} {'more' if more > 0 else 'less'} than" if abs(more) >= 0.005 else "as"  # noqa: PLR2004 - shown as 0 %
    return f"{_price(actual, run.pipeline)}, {change} predicted (${1000 * predicted:,.4f})."


def _price(dollars: float, pipeline: str) -> str:
    return f"A thousand files of {pipeline} have cost ${1000 * dollars:,.4f}"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
