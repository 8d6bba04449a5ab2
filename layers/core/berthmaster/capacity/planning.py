"""From a sign that a VPC needs addresses to a plan that is submitted: read, measured, planned under its lease."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from berthmaster.capacity.block_choice import BlockChoice
from berthmaster.capacity.context import ExpandContext, Ruling
from berthmaster.capacity.ledger.expansions import Expansion, refused_of, updates_of
from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.model.findings import named
from berthmaster.capacity.model.plan import Plan, Policy
from berthmaster.capacity.model.shortage import Cause, Shortage
from berthmaster.capacity.model.tags import IGNORED, MANAGED_TAG
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.outcomes import Outcomes
from berthmaster.capacity.plan.demand import assess, needs
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.capacity.plan.shortfall import shortfall
from berthmaster.capacity.plan.updates import NOTHING_HELD, as_wired, held_back
from berthmaster.capacity.proposals import Proposals
from berthmaster.capacity.triggers import ExpandRequest
from berthmaster.invocation import Invocation
from berthmaster.telemetry import logger

_NO_NEED = (
    "no subnet of it needs addresses now or within the horizon of the forecast; with `subnet` and `addresses` in the "
    "detail, as many are added"
)

_NO_STEP = "what could be added is there, and is listed, or an expansion in progress is giving it to services"


class Planning:
    """Makes the plans of capacity_expand."""

    def __init__(self, context: ExpandContext, proposals: Proposals) -> None:
        self._context = context
        self._clock = context.clock
        self._history = History(context.clients.dynamodb, context.settings.capacity_table)
        self._outcomes = Outcomes(context)
        self._proposals = proposals
        self._block_choice = BlockChoice(context)

    def consider(
        self, vpc_id: str, expansions: Sequence[Expansion], trigger: Shortage | ExpandRequest, invocation: Invocation
    ) -> Ruling:
        """Read the VPC, plan for what it needs, and submit the plan. expansions: the VPC's, for comparison."""
        now, policy = self._clock.now(), self._context.policy
        shortage = trigger if isinstance(trigger, Shortage) else None
        snapshot = self._context.read_vpc(vpc_id, invocation.deadline, shortage)
        vpc = named(vpc_id, snapshot.tags.get("Name", ""))
        reported: Mapping[str, Cause] = {}
        requested: Mapping[str, int] = {}
        request: ExpandRequest | None = None
        expansions = self._outcomes.record_found(vpc_id, snapshot.subnets, snapshot.associations, expansions)
        history = self._history.load(now)
        for gap in self._history.unreadable:
            logger.error("history not read", error=str(gap))
        if isinstance(trigger, Shortage):
            by, reported = trigger.source, dict.fromkeys(trigger.subnet_ids, trigger.cause)
        else:
            by, request = trigger.by, trigger
            requested = {trigger.subnet_id: trigger.addresses} if trigger.addresses else {}
            if problem := _problem_of_subnet(trigger.subnet_id, snapshot):
                return Ruling(text=f"detail.subnet: {problem}", is_refused=True, vpc=vpc)
        updates = updates_of(expansions)
        snapshot = as_wired(snapshot, updates)
        found = needs(
            assess(snapshot, history, policy.caller_roles),
            policy,
            services=snapshot.services,
            reported=reported,
            requested=requested,
            whoever_uses_it=isinstance(trigger, ExpandRequest),
        )
        if not found:
            logger.info("no need confirmed", vpc=vpc_id)
            self._proposals.withdraw_unneeded(expansions)
            return Ruling(text=_NO_NEED, is_refused=True, vpc=vpc, considered_at=now)
        with self._block_choice.alone(snapshot, invocation) as current:
            plan = plan_expansion(current, found, policy, refused_of(expansions, now))
            if not plan.changes_anything and not plan.obstacles:
                logger.info("no step left", vpc=vpc_id, needs=[need.reason for need in found])
                return Ruling(text=_NO_STEP, is_refused=True, vpc=vpc, considered_at=now)
            held = NOTHING_HELD if request else held_back(plan, current.services, updates, now)
            if clipped := _shortfall(request, plan, current, policy):
                plan = replace(plan, warnings=(*plan.warnings, clipped))
            ruling = self._proposals.submit(plan, current, expansions, by, request, held=held)
        return replace(ruling, text="; ".join(filter(None, (ruling.text, clipped))), vpc=vpc, considered_at=now)


def _shortfall(request: ExpandRequest | None, plan: Plan, snapshot: VpcSnapshot, policy: Policy) -> str:
    """What a request does not get of the addresses that it asks for; "" if it gets all, or if nothing is added."""
    if request is None or not request.addresses:
        return ""
    return shortfall(plan, snapshot.subnet(request.subnet_id).origin, request.addresses, policy)


def _problem_of_subnet(subnet_id: str, snapshot: VpcSnapshot) -> str:
    """Why no addresses can be requested for a subnet; "" if they can, or if none was named."""
    subnet = next((one for one in snapshot.subnets if one.id == subnet_id), None)
    if subnet is None:
        return f"{subnet_id} is no subnet of {snapshot.vpc_id} with IPv4 addresses" if subnet_id else ""
    return f"{subnet_id} is tagged {MANAGED_TAG}={IGNORED}" if subnet.tags.get(MANAGED_TAG) == IGNORED else ""
