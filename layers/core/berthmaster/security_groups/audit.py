"""`make audit`: flow logs and topology from files → evidence.json and report.html, without AWS.

The window is the span of the records, the topology is assumed not to have changed, and the age of rules is no gate; the
gaps say so.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError, InvalidInput
from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Gap
from berthmaster.security_groups.model.references import References, Stale
from berthmaster.security_groups.observe import flow_files
from berthmaster.security_groups.observe.cli_topology import read_topology
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.improvements import improvements
from berthmaster.security_groups.plan.matching import credit
from berthmaster.security_groups.plan.present import present
from berthmaster.security_groups.plan.talks import of_one_group, talks
from berthmaster.security_groups.plan.unused_groups import groups_without_interface
from berthmaster.security_groups.plan.users_of_groups import documented_groups
from berthmaster.security_groups.plan.verdicts import verdicts
from berthmaster.security_groups.report import evidence_json
from berthmaster.security_groups.report.page import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from berthmaster.security_groups.model.topology import Topology

NAMED = 5
"""Files that a gap names."""

_NOT_LOOKED_AT = (
    "launch templates, Lambda functions, ECS services and all else that may start with it and is in no file"
)


def audit(flow_logs: Path, topology: Path, written: float) -> Documentation:
    """What flow logs in one folder say of the topology in another. written: now, in seconds since the epoch.

    InvalidInput names a file that is missing or broken; a file of flow logs that cannot be read is a gap.
    """
    known, warnings = read_topology(topology)
    files = flow_files.files_below(flow_logs)
    if not files:
        raise InvalidInput("FLOW_LOGS", f"has no file of a flow log ({', '.join(flow_files.SUFFIXES)})")
    reading = flow_files.read(files, known)
    since = min((one.first for one in reading.coverage), default=written)
    until = max((one.last for one in reading.coverage), default=written)
    unread: dict[str, list[str]] = defaultdict(list)
    for one in reading.problems:
        unread[one.log].append(f"{one.path}: {one.problem}")
    completeness = Completeness(known, reading.coverage, since, until, unread)
    rules = verdicts(known, credit(reading.flows, known), completeness)
    unproven = {one.rule.id for one in rules if completeness.doubts(one.rule) or completeness.lost(one.rule)}
    better = improvements(present(known, until), rules, Stale(), seconds=until - since, unproven=unproven)
    return Documentation(
        written=written,
        since=since,
        until=until,
        vpcs=tuple(vpc for _, vpc in sorted(known.vpcs.items())),
        groups=documented_groups(known, until),
        rules=tuple(rules),
        talks=tuple(of_one_group(talks(reading.flows, known), known)),
        redundant=better.redundant,
        conditional=better.conditional,
        duplicates=better.duplicates,
        consolidations=better.consolidations,
        tightenings=better.tightenings,
        stale=better.stale,
        unused_groups=groups_without_interface(known, since, until, References(), not_looked_at=_NOT_LOOKED_AT).unused,
        gaps=(*_offline(known), *warnings, *_not_read(flow_files.others_below(flow_logs)), *completeness.gaps()),
    )


def _offline(topology: Topology) -> Iterator[Gap]:
    groups = tuple(sorted(topology.groups))
    yield Gap(
        what="the topology is one moment's: interfaces, groups and rules are assumed not to have changed in the window",
        why="traffic of an address that belonged to somebody else then is credited to whoever has it in these files",
        groups=groups,
    )
    yield Gap(
        what="the window is the span of the records, and how old rules are is not known",
        why="what happens less often than that, such as jobs at the end of a month, may not be in it",
        groups=groups,
    )


def _not_read(files: Sequence[Path]) -> Iterator[Gap]:
    if files:
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        yield Gap(
            what=f"not read: {', '.join(map(str, files[:NAMED]))}{more}",
            why=f"names of flow log files end in {', '.join(flow_files.SUFFIXES)}",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit of the command line; 2 if something that was given cannot be used."""
    parser = argparse.ArgumentParser(prog="make audit", description="Which security group rules flow logs show in use.")
    for name, help_text in (
        ("flow_logs", "folder with files of VPC flow logs"),
        ("topology", "folder with outputs of the AWS CLI"),
        ("out", "folder to write to"),
    ):
        parser.add_argument(name, type=Path, help=help_text)
    given = parser.parse_args(arguments)
    try:
        found = audit(given.flow_logs, given.topology, Clock().now().timestamp())
    except BerthmasterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "evidence.json").write_bytes(evidence_json.dump(found))
    (given.out / "report.html").write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
