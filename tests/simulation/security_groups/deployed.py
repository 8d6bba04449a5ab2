"""A day of the company with Berthmaster deployed: what its report says, after all that has failed meanwhile."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from berthmaster.security_groups.model.evidence import Verdict
from simulator.aws.events.bus import complete
from simulator.clock import MONDAY
from simulator.faults import FaultPlan
from tests.simulation.security_groups.chronicle import Chronicle
from tests.simulation.security_groups.company import DAY, HOUR, a_company
from tests.simulation.security_groups.judging import Judge
from tests.simulation.security_groups.truth import Truth
from tests.simulation.security_groups.weeks import Recall, Weeks, holes, recalled

WINDOW_DAYS = 1
EVENING = MONDAY + timedelta(hours=16)
"""Shortly before the window begins, at midnight."""
DAYS = 1.15
LONGEST_LATE = 1.5 * HOUR
SETTLED_WITHIN = 4 * HOUR
QUEUES = ("SecurityGroupsTrack", "SecurityGroupsCredit", "SecurityGroupsReport")


def faults_of(random: Random, seed: int) -> FaultPlan:
    """Functions die at any call, AWS fails and throttles, events and files are lost, late and doubled."""
    return FaultPlan(
        seed=seed,
        throttled=random.choice((0.0, 0.05)),
        server_error=random.choice((0.0, 0.02)),
        lost_response=random.choice((0.0, 0.02)),
        crash=random.choice((0.002, 0.01)),
        event_duplicated=0.2,
        event_delayed=0.2,
        log_file_lost=random.choice((0.0, 0.005)),
        log_file_late=0.05,
        log_file_doubled=0.05,
        records_skipped=random.choice((0.0, 0.001)),
    )


def reported(seed: int) -> tuple[list[str], Recall]:
    """What is wrong with the report, in sentences, and what it says of idle rules."""
    random = Random(f"{seed}:deployed")  # noqa: S311 - reproducible on purpose
    with a_company(seed, FaultPlan(seed=seed), days=DAYS, start=EVENING) as company:
        company.logs.longest_late = LONGEST_LATE
        berthmaster = _deployed(company)
        company.cloud.faults.plan = faults_of(random, seed)
        truth, chronicle = Truth(company), Chronicle(company.cloud)
        company.begin()
        company.run(DAYS * DAY)
        company.cloud.faults.clear()
        company.run(LONGEST_LATE + HOUR)
        berthmaster.run(minutes=SETTLED_WITHIN / 60)
        truth.settle()
        evidence = _report(company, berthmaster)
        since, until = (datetime.fromisoformat(evidence["window"][side]).timestamp() for side in ("since", "until"))
        judge = Judge(truth, (max(since, company.begun), min(until, company.end)), tuple(holes(company)))
        lived = Weeks(seed, {}, chronicle.topology(), [], judge)
        verdicts = {rule: Verdict(said["verdict"]) for rule, said in evidence["rules"].items()}
        return [*judge.wrong(verdicts), *_left(berthmaster)], recalled(lived, verdicts)


def _deployed(company: Company) -> Deployment:
    """Berthmaster, which observes the company's groups and does nothing else."""
    return Deployment(
        company.cloud,
        parameters={
            "SecurityGroupsMode": "observe",
            "SecurityGroupsWindowDays": WINDOW_DAYS,
            "FlowLogBuckets": f"arn:aws:s3:::{BUCKET}",
            "CapacityMode": "off",
            "TargetsMode": "off",
            "BatchMode": "off",
        },
    )


def _report(company: Company, berthmaster: Deployment) -> Any:
    """Ask for a report; returns its evidence.json."""
    request = {"source": "berthmaster.operator", "detail-type": "Security Groups Report Requested", "detail": {}}
    berthmaster.put_event(complete(company.cloud, request), bus="berthmaster")
    berthmaster.run(minutes=20)
    bucket = str(berthmaster.template.identity("SecurityGroupsBucket").name)
    s3 = company.cloud.client("s3")
    return json.loads(s3.get_object(Bucket=bucket, Key="reports/latest/evidence.json")["Body"].read())


def _left(berthmaster: Deployment) -> list[str]:
    """What nobody has done by now."""
    return [
        f"{queue} still has {len(messages)} messages"
        for name in QUEUES
        for queue, messages in (
            (f"{name}Queue", berthmaster.messages(f"{name}Queue")),
            (f"{name}DeadLetterQueue", berthmaster.dead_letters(f"{name}DeadLetterQueue")),
        )
        if messages
    ]
