"""A day of the company with Berthmaster deployed: what its report says, after all that has failed meanwhile."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from berthmaster.security_groups.folding import Folding
from berthmaster.security_groups.ledger.evidence_store import EvidenceStore
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.plan.age import doubts_of_age
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.verdicts import verdicts as verdicts_of
from simulator.aws.events.bus import complete
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from tests.simulation.security_groups.chronicle import Chronicle
from tests.simulation.security_groups.company import BUCKET, DAY, HOUR, Company, a_company
from tests.simulation.security_groups.judging import Judge
from tests.simulation.security_groups.truth import Truth
from tests.simulation.security_groups.weeks import Recall, Weeks, holes, recalled

SAMPLE = (0,)
"""Seeds that are run every time."""
DAYS = 0.25
PACE = 3.0
"""So many times as much happens as in other companies: a file costs as much whatever is in it."""
UNTIL_RECORDED = 700.0
"""Until the topology has been recorded twice, from when on rules are known."""
LONGEST_LATE = 1.5 * HOUR
QUEUES = ("SecurityGroupsTopology", "SecurityGroupsCredit", "SecurityGroupsReport")


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


def judged(seed: int, days: float) -> tuple[list[str], Recall]:
    """What is wrong with what the recorded evidence says, in sentences, and what it says of idle rules."""
    random = Random(f"{seed}:deployed")  # noqa: S311 - reproducible on purpose
    with a_company(seed, FaultPlan(seed=seed), days=days, pace=PACE) as company:
        company.logs.longest_late = LONGEST_LATE
        berthmaster = _deployed(company)
        company.run(UNTIL_RECORDED)
        company.cloud.faults.plan = faults_of(random, seed)
        truth, chronicle = Truth(company), Chronicle(company.cloud)
        company.begin()
        company.run(days * DAY)
        company.cloud.faults.clear()
        company.run(LONGEST_LATE + HOUR)
        truth.settle()
        lived = Weeks(seed, {}, chronicle.topology(), [], Judge(truth, (company.begun, company.end), [*holes(company)]))
        verdicts = _verdicts(company, berthmaster)
        wrong = [*lived.judge.wrong(verdicts), *_of_report(company, berthmaster), *_left(berthmaster)]
        return wrong, recalled(lived, verdicts)


def _verdicts(company: Company, berthmaster: Deployment) -> dict[str, Verdict]:
    """What the evidence in the bucket says about the time in which the company was watched."""
    since, until = company.begun, company.end
    times = [datetime.fromtimestamp(time, UTC) for time in (since, until)]
    s3, bucket = company.cloud.client("s3"), _bucket(berthmaster)
    topology = TopologyStore(s3, bucket).load(*times)
    evidence = Folding(EvidenceStore(s3, bucket), lambda: True).evidence(*(time.date() for time in times))
    completeness = Completeness(topology, evidence.coverage.values(), since, until)
    found = verdicts_of(topology, evidence.credits, completeness, doubts_of_age(topology, since))
    return {one.rule.id: one.verdict for one in found}


def _of_report(company: Company, berthmaster: Deployment) -> Iterator[str]:
    """What is wrong with a report that is asked for: its window is far longer than the company was watched."""
    request = {"source": "berthmaster.operator", "detail-type": "Security Groups Report Requested", "detail": {}}
    berthmaster.put_event(complete(company.cloud, request), bus="berthmaster")
    berthmaster.run(minutes=20)
    s3 = company.cloud.client("s3")
    body = s3.get_object(Bucket=_bucket(berthmaster), Key="reports/latest/evidence.json")["Body"].read()
    for rule, said in json.loads(body)["rules"].items():
        if said["verdict"] == Verdict.UNUSED:
            yield f"{company.rules.get(rule, rule)} is called unused, and nobody knows what was before"


def _bucket(berthmaster: Deployment) -> str:
    return str(berthmaster.template.identity("SecurityGroupsBucket").name)


def _deployed(company: Company) -> Deployment:
    """Berthmaster, which observes the company's groups and does nothing else."""
    return Deployment(
        company.cloud,
        parameters={
            "SecurityGroupsMode": "observe",
            "FlowLogBuckets": f"arn:aws:s3:::{BUCKET}",
            "CapacityMode": "off",
            "TargetsMode": "off",
            "BatchMode": "off",
        },
    )


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
