"""How many launches a day's budget has room for."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.budgets import Budget
from berthmaster.batch.model.files import Claim, File, Launch, Provider, State
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.plan.budget import OVERRUN, fitting, in_flight, most
from berthmaster.batch.plan.prices import dollars, prices_of
from berthmaster.proposals import Outcome

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRICES, DEFINITION = prices_of("eu-central-1"), Resources(cpu=256, memory=512)
AMOUNTS = st.floats(0, 100)


def budget(limit: float, booked: float, flying: float = 0.0, verdict: Outcome | None = None) -> Budget:
    return Budget(pipeline="ocr", day=date(2026, 11, 22), limit=limit, booked=booked, in_flight=flying, verdict=verdict)


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.lists(st.floats(0.001, 50)), st.lists(st.floats(0.001, 50), max_size=3))
def test_what_fits_never_exceeds_the_limit_and_the_next_one_would(
    limit: float, booked: float, flying: float, costs: list[float], begun: list[float]
) -> None:
    before = booked + flying + sum(begun)
    count = fitting(budget(limit, booked, flying), costs, {str(number): cost for number, cost in enumerate(begun)})
    assert 0 <= count <= len(costs)
    if count:
        assert before + sum(costs[:count]) <= limit + 1e-9
    if count < len(costs):
        assert before + sum(costs[: count + 1]) >= limit - 1e-9
    assert fitting(budget(limit, booked, flying, Outcome.APPROVED), costs, {}) == len(costs)
    assert fitting(budget(limit, booked, flying, Outcome.REJECTED), costs, {}) == fitting(
        budget(limit, booked, flying), costs, {}
    )


def test_it_is_reached_if_nothing_in_flight_would_make_room() -> None:
    assert budget(10, 9.5).is_reached(0.6)
    assert not budget(10, 9, 0.9).is_reached(0.6)
    assert not budget(10, 9.5, verdict=Outcome.APPROVED).is_reached(0.6)


def a_launch(**more: object) -> Launch:
    given: dict[str, object] = {"number": 1, "requested_at": NOW, "deadline": NOW + timedelta(minutes=10)} | more
    return Launch(**given)  # type: ignore[arg-type]


def a_file(identifier: str, state: State, launch: Launch | None, claim: Claim | None = None) -> File:
    return File(
        id=identifier,
        pipeline="ocr",
        bucket="incoming",
        key="a",
        received_at=NOW,
        state=state,
        since=NOW,
        due=NOW,
        launch=launch,
        claim=claim,
    )


def test_tasks_count_until_their_deadlines_at_their_own_price_and_files_of_workers_with_those() -> None:
    claim = Claim(owner="w1", lease="", fence=1, at=NOW, until=NOW)
    larger = a_launch(size=(1024, 2048), provider=Provider.FARGATE_SPOT)
    files = [
        a_file("a", State.RUNNING, a_launch()),
        a_file("b", State.LAUNCHING, larger),
        a_file("c", State.COMMITTING, a_launch(stopped_at=NOW)),
        a_file("d", State.RUNNING, a_launch(), claim),
    ]
    workers = [
        Worker(id=name, pipeline="ocr", state=state, since=NOW, due=NOW, launch=larger)
        for name, state in (("w1", WorkerState.RUNNING), ("w2", WorkerState.ENDED))
    ]
    found = in_flight(files, workers, PRICES, DEFINITION)
    seconds = (timedelta(minutes=10) + OVERRUN).total_seconds()
    spot = dollars(PRICES, Resources(cpu=1024, memory=2048, is_spot=True), seconds)
    assert found == {"a": pytest.approx(most(PRICES, DEFINITION, timedelta(minutes=10))), "b": spot, "w1": spot}
