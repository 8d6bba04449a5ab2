"""Why a task has stopped, by what ECS says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.stops import Cause, OwnStop, Stop
from berthmaster.batch.plan.stops import START_FAILURES, classify
from berthmaster.batch.plan.texts import QUOTED
from tests.unit.batch.stop_vectors import VECTORS

CODES = st.sampled_from(
    [
        "",
        "TaskFailedToStart",
        "EssentialContainerExited",
        "UserInitiated",
        "ServiceSchedulerInitiated",
        "SpotInterruption",
        "TerminationNotice",
        "InfrastructureHealth",
    ]
)
UNHEARD = st.text("xyz 0123456789:.,()'\u2019\n")
"""Words that AWS has not used yet. Hypothesis would find those that it has among the constants of the modules."""


@pytest.mark.parametrize(("stop", "cause"), VECTORS)
def test_the_cause_is_read_from_what_aws_says(stop: Stop, cause: Cause) -> None:
    found = classify(stop)
    assert found.cause is cause
    assert found.text.endswith((".", "…")) or stop.reason in found.text


@pytest.mark.parametrize(("stop", "cause"), VECTORS)
def test_case_and_further_words_change_nothing(stop: Stop, cause: Cause) -> None:
    """AWS changes both from time to time."""
    changed = replace(
        stop, reason=f"Task: {stop.reason.upper()} (request id 0a1b)", container_reason=stop.container_reason.upper()
    )
    assert classify(changed).cause is cause


@given(
    code=CODES | UNHEARD,
    reason=UNHEARD,
    container_reason=UNHEARD,
    exit_code=st.none() | st.integers(0, 255),
    own=st.none() | st.sampled_from(OwnStop),
)
def test_what_is_not_known_opens_no_breaker_and_is_not_done(
    code: str, reason: str, container_reason: str, exit_code: int | None, own: OwnStop | None
) -> None:
    stop = Stop(code=code, reason=reason, container_reason=container_reason, exit_code=exit_code, own=own)
    cause = classify(stop).cause
    assert not cause.opens_breaker
    assert not cause.opens_breaker_in_a_row
    assert (cause is Cause.DONE) <= (code == "EssentialContainerExited" and exit_code == 0)


@given(st.sampled_from(VECTORS), st.integers(0, 300))
def test_a_text_that_is_cut_short_never_counts_as_done_or_as_the_files_own_fault(
    vector: tuple[Stop, Cause], length: int
) -> None:
    stop, cause = vector
    cut = classify(replace(stop, reason=stop.reason[:length])).cause
    if cause.opens_breaker or cause.opens_breaker_in_a_row:
        assert cut not in {Cause.DONE, Cause.REJECTED, Cause.APPLICATION, Cause.CANCELLED}


def test_each_rule_is_the_first_for_a_text_of_aws() -> None:
    found = [classify(stop).text for stop, _ in VECTORS]
    assert [rule.text for rule in START_FAILURES if not any(text.startswith(rule.text) for text in found)] == []


def test_a_diagnosis_quotes_aws_but_not_without_end() -> None:
    assert classify(Stop(code="New", reason="Something new.")).text.endswith("AWS: Something new.")
    assert len(classify(Stop(code="New", reason="x" * 9_000)).text) < QUOTED + 120
