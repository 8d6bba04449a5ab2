"""Every state, and every cause of waiting, has words that say why and what happens next or what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from berthmaster.batch.model.breaker import Breaker, BreakerState
from berthmaster.batch.model.dispatcher import Dispatcher, Lack, Placement, QuotaWait
from berthmaster.batch.model.files import Claim, File, Launch, Provider, State
from berthmaster.batch.model.launch_rate import LaunchRate
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.workers import WorkerCounts
from berthmaster.batch.plan.never_seen import never_seen
from berthmaster.batch.plan.status import Situation, status
from berthmaster.modes import Mode
from tests.support.batch.pipelines import a_pipeline

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
ARN = "arn:aws:ecs:eu-central-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"
OCR = a_pipeline()
SUBNET = OCR.run.subnets[0]
MINUTE = timedelta(minutes=1)


def a_file(state: State, **more: Any) -> File:
    """A file that was launched once, if it is not new."""
    launch = Launch(number=1, requested_at=NOW - 9 * MINUTE, deadline=NOW + 51 * MINUTE, task=ARN)
    file = File(
        id="0" * 30,
        pipeline="ocr",
        bucket="incoming",
        key="scans/a.tif",
        received_at=NOW - 10 * MINUTE,
        state=state,
        since=NOW - MINUTE,
        due=NOW - MINUTE,
        launch=None if state is State.WAITING else launch,
    )
    return replace(file, **more)


def a_situation(**more: Any) -> Situation:
    """Nothing holds files back."""
    given: dict[str, Any] = {
        "now": NOW,
        "mode": Mode.ENFORCE,
        "stopped": "",
        "pipeline": OCR,
        "tasks": 0,
        "ahead": 0,
        "breaker": Breaker(pipeline="ocr"),
        "dispatcher": Dispatcher(),
    }
    return Situation(**{**given, **more})


def an_open_breaker(state: BreakerState = BreakerState.OPEN) -> Breaker:
    """Because of its image."""
    return Breaker(
        pipeline="ocr",
        state=state,
        since=NOW - MINUTE,
        diagnosis="The image was not found.",
        probe_at=NOW + 4 * MINUTE,
        canary="f" * 30,
    )


def a_dispatcher(**more: Any) -> Dispatcher:
    """What it knows."""
    return replace(Dispatcher(), **more)


QUOTA = QuotaWait(provider=Provider.FARGATE, tried_at=NOW - timedelta(seconds=20))
LACK = Lack(placement=Placement(provider=Provider.FARGATE, subnet=SUBNET), tried_at=NOW)
WAITING = a_file(State.WAITING)
CLAIMED = a_file(State.RUNNING, claim=Claim(owner="w1", lease="1", fence=1, at=NOW - MINUTE, until=NOW))
LATER = a_file(State.WAITING, due=NOW + MINUTE, reason="The container has failed.", attempts=1)


@pytest.mark.parametrize(
    ("file", "given", "why", "then"),
    [
        (WAITING, {}, "about to be launched", "as fast as AWS allows"),
        (WAITING, {"mode": Mode.OFF}, "the mode is off", "`enforce`"),
        (WAITING, {"mode": Mode.OBSERVE}, "the mode is observe", "`enforce`"),
        (WAITING, {"stopped": "batch has been paused by Ann"}, "paused by Ann", "BatchResumeCommand"),
        (WAITING, {"pipeline": None}, "ocr is not in force", "/berthmaster/batch/ocr"),
        (WAITING, {"pipeline": replace(OCR, paused=True)}, "says `paused`", "/berthmaster/batch/ocr"),
        (WAITING, {"breaker": an_open_breaker()}, "since 2026-03-02 05:59:00 UTC: The image", "at 2026-03-02 06:04:00"),
        (WAITING, {"breaker": an_open_breaker(BreakerState.PROBING)}, "out of order", f"The file {30 * 'f'} is being"),
        (LATER, {}, "until 2026-03-02 06:01:00 UTC, with 1 of 3 attempts used: The container", "Cancel Requested"),
        (WAITING, {"tasks": 50, "ahead": 7}, "50, and `limits.tasks` is 50. 7 files", "raise `limits.tasks`"),
        (
            WAITING,
            {"workers": WorkerCounts(running=3, starting=2), "ahead": 7},
            "3 run, 2 start, and 7 files",
            "Workers",
        ),
        (WAITING, {"workers": WorkerCounts(running=1), "tasks": 50, "ahead": 1}, "1 runs, and 1 file of", "Workers"),
        (replace(WAITING, is_alone=True), {"workers": WorkerCounts(running=50), "tasks": 50}, "many tasks", "raise"),
        (CLAIMED, {}, "The worker w1 works on it since 2026-03-02 05:59:00", "at 2026-03-02 06:51:00"),
        (WAITING, {"dispatcher": a_dispatcher(quotas=(QUOTA,))}, "Fargate On-Demand vCPU", "Service Quotas"),
        (WAITING, {"dispatcher": a_dispatcher(lacks=(LACK,))}, f"no capacity in the subnets {SUBNET}", "another zone"),
        (
            WAITING,
            {"dispatcher": a_dispatcher(rate=LaunchRate(rate=5, throttled_at=NOW))},
            "throttles launches, of which 5",
            "rises",
        ),
        (replace(WAITING, due=NOW - 20 * MINUTE), {}, "nothing is known", "BatchDispatchRedriveCommand"),
        (replace(a_file(State.RUNNING), state=State.WAITING, reason="Spot."), {}, "last task has stopped: Spot.", ""),
        (a_file(State.LAUNCHING), {}, "whether it has started a task is not known", "starts no second task"),
        (a_file(State.STARTING), {}, ARN, "by 2026-03-02 06:03:00 UTC, it is stopped"),
        (a_file(State.RUNNING), {}, "running since 2026-03-02 05:59:00", "still runs at 2026-03-02 06:59:00"),
        (a_file(State.COMMITTING), {}, "is being committed", "seconds"),
        (a_file(State.COMMITTING, reason="AccessDenied"), {}, "one try: AccessDenied", "grant it"),
        (a_file(State.COMMITTED, result_of=1, is_published=True), {}, "of launch 1", "below s3://results/ocr/a.tif/"),
        (a_file(State.COMMITTED, result_of=1, reason="a newer one"), {}, "stable names: a newer one", "manifests/000"),
        (a_file(State.COMMITTED), {"pipeline": None}, "It has its result", "below the output prefix it had"),
        (a_file(State.DEAD, reason="It has failed thrice."), {}, "It has failed thrice.", "Replay Requested"),
        (a_file(State.SKIPPED, reason="it is empty"), {}, "it is empty", "copy it onto itself"),
        (a_file(State.SUPERSEDED, reason="a newer version came: file 1"), {}, "file 1", "the newest version"),
        (a_file(State.CANCELLED, reason="cancelled by Ann"), {}, "cancelled by Ann", "Replay Requested"),
        (a_file(State.VANISHED, reason="its object was deleted"), {}, "was deleted", "Upload it again"),
        (a_file(State.OBSERVED, reason="the mode is observe"), {}, "the mode is observe", "copy it onto itself"),
    ],
)
def test_a_file_has_words(file: File, given: dict[str, Any], why: str, then: str) -> None:
    found = status(file, a_situation(**given))
    assert why in found.why
    assert then in found.then
    assert found.text.endswith(".")


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_words_whatever_holds_files_back(state: State) -> None:
    for given in ({}, {"pipeline": None}, {"mode": Mode.OFF}):
        assert status(a_file(state), a_situation(**given)).then


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING])
@pytest.mark.parametrize("own", list(OwnStop))
def test_a_task_that_is_being_stopped_is_no_task_that_runs(state: State, own: OwnStop) -> None:
    file = a_file(state)
    assert file.launch
    found = status(replace(file, launch=replace(file.launch, stopped_for=own)), a_situation())
    assert f"is being stopped ({own})" in found.why


INVOICES = a_pipeline("invoices", source="incoming/Invoices/", suffix=".pdf", results="results/invoices/")


@pytest.mark.parametrize(
    ("bucket", "key", "is_there", "why"),
    [
        ("incoming", "scans/a.tif", True, "The bucket has it, and no event"),
        ("incoming", "scans/a.tif", None, "No event of it has come"),
        ("incoming", "scans/a.tif", False, "no such object"),
        ("incoming", "scans/a%20b.tif", False, "did you mean 'scans/a b.tif'?"),
        ("incoming", "scans/a.tiff", None, "The nearest is ocr: the key does not end with '.tif'"),
        ("incoming", "Scans/a.tif", None, "does not begin with"),
        ("incoming", "Invoice/a.pdf", None, "The nearest is invoices: the key does not begin with 'Invoices/'"),
        ("incoming", "scans/.berthmaster/a.tif", None, "where attempts and manifests are"),
        ("incomming", "scans/a.tif", None, "those that are read: incoming. Did you mean incoming?"),
    ],
)
def test_an_object_that_is_not_known_is_explained(bucket: str, key: str, why: str, *, is_there: bool | None) -> None:
    assert why in never_seen(bucket, key, [OCR, INVOICES], kept_days=90, is_there=is_there).why


def test_without_pipelines_there_is_nothing_to_compare() -> None:
    assert "there is no pipeline in force" in never_seen("incoming", "a", [], kept_days=90, is_there=None).why
