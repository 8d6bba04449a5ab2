"""The engine, run over files and a topology as the functions run it: file by file, summed up for the window."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from berthmaster.security_groups.model.evidence import Credits, Verdict
from berthmaster.security_groups.model.flows import Coverage, Flow
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.observe import flow_files
from berthmaster.security_groups.plan import coverage as coverages
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.credits import merged
from berthmaster.security_groups.plan.matching import credit
from berthmaster.security_groups.plan.verdicts import verdicts

HOURS_TOGETHER = 2
"""A file at a time would take most of the time of a run."""


@dataclass(frozen=True)
class Engine:
    """What may be changed of the engine, stage by stage, to see whether anything notices."""

    content: Callable[[bytes], bytes] = lambda body: body
    flows: Callable[[Flow], Iterable[Flow]] = lambda flow: (flow,)
    topology: Callable[[Topology], Topology] = lambda topology: topology
    completeness: type[Completeness] = Completeness
    patched: Callable[[], AbstractContextManager[object]] = nullcontext

    def read(self, files: Mapping[str, bytes], topology: Topology) -> list[flow_files.Reading]:
        """What files say, some hours at a time; files: their content by name."""
        with TemporaryDirectory() as folder:
            together = defaultdict[tuple[str, int], list[Path]](list)
            for name, body in sorted(files.items()):
                path = Path(folder, name)
                path.write_bytes(self.content(body))
                day, _, time = name[: name.index("Z_")].rpartition("T")
                together[day, int(time) // 100 // HOURS_TOGETHER].append(path)
            readings = [flow_files.read(paths, topology, threads=1) for paths in together.values()]
        assert not list(chain.from_iterable(one.problems for one in readings))
        return readings

    def verdicts(self, readings: Iterable[flow_files.Reading], topology: Topology) -> dict[str, Verdict]:
        """What is said of each rule."""
        known = self.topology(topology)
        found: dict[str, Credits] = {}
        logged: dict[str, Coverage] = {}
        with self.patched():
            for reading in readings:
                flows = list(chain.from_iterable(map(self.flows, reading.flows)))
                for rule, seen in credit(flows, known).items():
                    found[rule] = merged(found[rule], seen) if rule in found else seen
                for one in reading.coverage:
                    logged[one.log] = coverages.merged(logged[one.log], one) if one.log in logged else one
            since, until = min(one.first for one in logged.values()), max(one.last for one in logged.values())
            completeness = self.completeness(known, list(logged.values()), since, until)
            return {one.rule.id: one.verdict for one in verdicts(known, found, completeness)}
