"""Each function, as it is packaged, runs in Lambda's container and answers each of its events."""

import pytest

from tests.sam_local.containers import EVENTS, VARIABLES, Application

FUNCTIONS = {"capacity_watch": "CapacityWatchFunction", "capacity_expand": "CapacityExpandFunction"}
INVOCATIONS = [
    (function, path.stem) for prefix, function in FUNCTIONS.items() for path in sorted(EVENTS.glob(f"{prefix}*.json"))
]


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize(("function", "event"), INVOCATIONS)
def test_a_function_answers(application: Application, function: str, event: str) -> None:
    answer = application.invoke(function, event)
    assert not answer.is_error, answer.log
    if function == "CapacityExpandFunction" and answer.value["batchItemFailures"]:
        assert "is not known" in answer.log  # a word on an expansion that is not in the ledger; nothing else may fail


def test_every_event_belongs_to_a_function() -> None:
    assert {event for _, event in INVOCATIONS} == {path.stem for path in EVENTS.glob("*.json")} - {VARIABLES.stem}
