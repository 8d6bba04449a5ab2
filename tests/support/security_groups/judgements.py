"""What a window says of a few rules, as it is given."""

from collections.abc import Collection, Iterable

from berthmaster.security_groups.model.evidence import RuleEvidence, Verdict
from berthmaster.security_groups.model.flows import Coverage
from berthmaster.security_groups.model.rules import Group, Rule
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.model.tags import MANAGED, TAG
from berthmaster.security_groups.model.topology import FlowLog, Interface, Span, Topology
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.present import present
from berthmaster.security_groups.plan.window import Judgement

ACCOUNT = "123456789012"
NOW = 1_800_000_000.0
SINCE = NOW - 90 * 86400
LOG = FlowLog(id="fl-1", resource="vpc-a")


def group(identifier: str = "sg-a", *tags: tuple[str, str], **fields: str) -> Group:
    """A managed group."""
    return Group(**{"id": identifier, "vpc": "vpc-a", "owner": ACCOUNT, "tags": ((TAG, MANAGED), *tags), **fields})  # type: ignore[arg-type]


def judgement(
    rules: Iterable[Rule],
    *,
    unused: Collection[str] = (),
    groups: Iterable[Group] | None = None,
    carried: Iterable[tuple[str, ...]] = (),
    young: Collection[str] = (),
    log: FlowLog = LOG,
) -> Judgement:
    """A window in which some rules were unused, and all others used.

    groups: those of the rules, managed, if not given. carried: the groups of each interface. young: ids of rules that
    were made within the window. log: whose records were read.
    """
    given = list(rules)
    known = {one.id: one for one in (groups or map(group, {rule.group for rule in given}))}
    topology = Topology(
        interfaces={
            f"eni-{number}": (Span(Interface(id=f"eni-{number}", vpc="vpc-a", groups=its)),)
            for number, its in enumerate(carried)
        },
        rules={
            rule.id: (Span(rule, **({"since": SINCE + 1} if rule.id in young else {})),)  # type: ignore[arg-type]
            for rule in given
        },
        groups=known,
        flow_logs={log.id: log},
    )
    coverage = {LOG.id: Coverage(log=LOG.id, first=SINCE, last=NOW)}
    return Judgement(
        topology=topology,
        evidence=Evidence(coverage=coverage),
        completeness=Completeness(topology, coverage.values(), SINCE, NOW),
        present=present(topology, NOW),
        rules=tuple(
            RuleEvidence(
                rule=rule, verdict=Verdict.UNUSED if rule.id in unused else Verdict.USED, why="as the test has it"
            )
            for rule in sorted(given, key=lambda rule: rule.id)
        ),
        since=SINCE,
        until=NOW - 3600,
        written=NOW,
    )
