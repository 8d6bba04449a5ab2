"""Mistakes that a remover of rules may make, one at a time, in the same life: what goes on from there must notice each.

A life goes on from one moment many times, each time in a process of its own: what comes before costs the most.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from berthmaster.security_groups.model.evidence import Cover, RuleEvidence, Verdict
from berthmaster.security_groups.model.rejections import Choice, Judged
from berthmaster.security_groups.model.removals import Candidate
from berthmaster.security_groups.plan import (
    candidates,
    freeze,
    group_steps,
    holds,
    keeping,
    rejections,
    replay,
)
from berthmaster.security_groups.plan.caps import Allowance
from berthmaster.security_groups.plan.holds import Holds
from berthmaster.security_groups.plan.origins import MADE_BY_CODE
from berthmaster.security_groups.plan.removal_review import Review
from berthmaster.security_groups.plan.replay import Denied
from berthmaster.security_groups.plan.window import Judgement
from simulator.account import Account, Params, Parsed
from simulator.calls import is_function
from tests.simulation.security_groups.changes.life import Life

type Patched = Callable[[Life], AbstractContextManager[object]]


@dataclass(frozen=True)
class Mistake:
    """patched: what is wrong. A life that notices says so in a sentence that contains `shows`.

    edits: how often people edit rules meanwhile. seed: of a life that notices.
    """

    name: str
    shows: str
    patched: Sequence[Patched]
    edits: float = 0.0
    seed: int = 0

    def is_noticed(self, life: Life, until: float) -> bool:
        """Whether a life notices that goes on from here with it; the life itself stays as it is."""
        context = get_context("fork")
        receiving, sending = context.Pipe(duplex=False)
        child = context.Process(target=self._go_on, args=(life, until, sending))
        with warnings.catch_warnings():
            # Of threads of pytest's workers, which have nothing to do with the life.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        sending.close()
        found: bool = receiving.recv()
        child.join()
        return found

    def _go_on(self, life: Life, until: float, sending: Connection) -> None:
        with ExitStack() as stack:
            for patched in self.patched:
                stack.enter_context(patched(life))
            life.edits, life.needs, life.knocks, life.operators.approves = self.edits, 0.0, 1.0, 1.0
            # Modules that hold what was patched are imported anew.
            life.berthmaster.runtime.kill_containers()
            sending.send(any(self._shows(life) for _ in life.run(until)))

    def _shows(self, life: Life) -> bool:
        return any(self.shows in problem for problem in life.broken)

    def __str__(self) -> str:
        return self.name


def _instead(place: Any, name: str, value: object) -> Patched:
    return lambda _: patch.object(place, name, value)


def _asking(operation: str, change: Callable[[Params], Params]) -> Patched:
    """Functions make a request otherwise."""

    @contextmanager
    def changed(life: Life) -> Iterator[None]:
        handlers = life.company.cloud.handlers
        handler = handlers[operation]

        def mistaken(account: Account, params: Params) -> Parsed | None:
            return handler(account, change(params) if is_function() else params)

        with patch.dict(handlers, {operation: mistaken}):
            yield

    return changed


@contextmanager
def _short_tracking(life: Life) -> Iterator[None]:
    """Functions are shown interfaces that forget idle connections after a minute."""
    patches = life.company.cloud.patches

    def shown(_: Account, __: Params, response: Parsed) -> None:
        if is_function():
            short = {"ConnectionTrackingConfiguration": {"TcpEstablishedTimeout": 60}}
            response["NetworkInterfaces"] = [one | short for one in response["NetworkInterfaces"]]

    operation = "ec2:DescribeNetworkInterfaces"
    with patch.dict(patches, {operation: [*patches.get(operation, []), shown]}):
        yield


def _used_too(judgement: Judgement, evidence: RuleEvidence, cover: Cover | None) -> Iterator[Candidate]:
    """Rules that were used are candidates, too: that leaves it to the replay to keep them."""
    is_used = evidence.verdict in (Verdict.USED, Verdict.POSSIBLY_USED)
    yield from _candidates_of(judgement, replace(evidence, verdict=Verdict.UNUSED) if is_used else evidence, cover)


def _restored(suspect: Any, *_: Any) -> Judged:
    return Judged(suspect=suspect, choice=Choice.RESTORE, why="somebody wants it")


def _without_description(params: Params) -> Params:
    changed = [
        {
            **one,
            "SecurityGroupRule": {
                key: value for key, value in one["SecurityGroupRule"].items() if key != "Description"
            },
        }
        for one in params["SecurityGroupRules"]
    ]
    return {**params, "SecurityGroupRules": changed}


_candidates_of = candidates._of_rule
NOTHING = _instead(Review, "_review_quarantined", lambda *_: None)
KEPT = [_instead(place, "kept", lambda *_: "") for place in (holds, keeping, group_steps)]
MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "nothing is replayed",
        "which was known",
        (_instead(candidates, "_of_rule", _used_too), _instead(replay, "replay", lambda *_: Denied())),
    ),
    Mistake(
        "rules need not be what was announced",
        "people have made it what it is",
        (
            _instead(Review, "_why_over", lambda *_: ""),
            NOTHING,
            _instead(group_steps, "_is_as_announced", lambda *_: True),
            _instead(group_steps, "is_inert", lambda _, removal: removal.quarantined_at is not None),
        ),
        edits=0.5,
    ),
    Mistake(
        "rules are restored for any peer",
        "although only strangers were denied",
        (_instead(rejections, "_restored_or_proposed", _restored),),
    ),
    Mistake("quarantine is shorter than tracking", "are forgotten", (_short_tracking,)),
    Mistake("coverer and covered go together", "coverer and covered", (_instead(Holds, "_of_cover", lambda *_: ()),)),
    Mistake("caps are not counted", "of its group in a day", (_instead(Allowance, "why_not", lambda *_, **__: ""),)),
    Mistake("changes are not frozen", "changes are frozen", (_instead(freeze, "why_frozen", lambda *_: ""),)),
    Mistake("what is kept goes", "it is kept", KEPT),
    Mistake(
        "controllers' rules go",
        "it is of a controller",
        (_instead(holds, "controller_of", lambda *_: ""),),
    ),
    Mistake(
        "rules of infrastructure as code go", "aws:cloudformation", (lambda _: patch.dict(MADE_BY_CODE, clear=True),)
    ),
    Mistake(
        "descriptions are left out",
        "has the description",
        (_asking("ec2:ModifySecurityGroupRules", _without_description),),
    ),
)
