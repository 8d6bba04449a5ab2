"""Where a task runs: in which subnet, and on which of Fargate's providers.

A capacity provider strategy does not fail over from Spot to on-demand, nor does a list of subnets from one zone to the
next. So a request names one provider and one subnet, and subnets take turns: when Fargate has no capacity, that is
known of one zone then, and the next request goes to another. What had no capacity is left alone for a while; after
that, one launch tries again.

A quota is the account's: with that provider nothing is launched until one launch in a minute succeeds. There is no
change to the other provider, which may be dearer than anybody wants when hundreds of Spot tasks run already.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zlib import crc32

from berthmaster.batch.model.dispatcher import Dispatcher, Lack, Placement, QuotaWait
from berthmaster.batch.model.files import File, Provider
from berthmaster.batch.model.pipelines import Pipeline

PAUSE = {Provider.FARGATE: timedelta(minutes=1), Provider.FARGATE_SPOT: timedelta(minutes=5)}
"""How long a subnet is left alone for lack of capacity: longer if there is another provider to use."""
REMEMBERED_FOR = timedelta(minutes=10)
QUOTA_PAUSE = timedelta(minutes=1)
REPORTED_FOR = timedelta(days=1)
"""That a quota is used up is said again after so long."""

QUOTAS = {
    Provider.FARGATE: "Fargate On-Demand vCPU resource count",
    Provider.FARGATE_SPOT: "Fargate Spot vCPU resource count",
}
"""As Service Quotas names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Where a task may run. providers: in the order in which they are tried. turn: whose of the subnets it is."""

    providers: tuple[Provider, ...]
    subnets: tuple[str, ...]
    turn: int


def for_file(file: File, pipeline: Pipeline) -> Wanted:
    """Where the next launch of a file may go."""
    is_for_spot = file.spot_losses < pipeline.spot_tries
    number = file.launch.number if file.launch else 0
    return Wanted(
        providers=(Provider.FARGATE_SPOT, Provider.FARGATE) if is_for_spot else (Provider.FARGATE,),
        subnets=pipeline.run.subnets,
        turn=_turn(file.id) + number,
    )


def for_worker(identifier: str, pipeline: Pipeline, provider: Provider) -> Wanted:
    """Where a worker may run; where Spot has no room, on demand has."""
    return Wanted(
        providers=tuple(dict.fromkeys((provider, Provider.FARGATE))),
        subnets=pipeline.run.subnets,
        turn=_turn(identifier),
    )


def placed(known: Dispatcher, wanted: Wanted, now: datetime) -> tuple[Dispatcher, Placement | None]:
    """Where a task is launched now, None if it has to wait; and what is known then.

    A launch that tries a subnet or a quota again is the only one that does.
    """
    for provider in wanted.providers:
        quota = _quota(known, provider)
        if quota and not quota.is_over:
            if now - quota.tried_at < QUOTA_PAUSE:
                return known, None
            known = _with_quota(known, replace(quota, tried_at=now))
        subnets = [one for one in wanted.subnets if not _is_avoided(known, provider, one, now)]
        if subnets:
            placement = Placement(provider=provider, subnet=subnets[wanted.turn % len(subnets)])
            return (lacking(known, placement, now) if _lack(known, placement) else known), placement
    return known, None


def lacking(known: Dispatcher, placement: Placement, now: datetime) -> Dispatcher:
    """Fargate has no capacity there."""
    lacks = (one for one in known.lacks if one.placement != placement and now - one.tried_at < REMEMBERED_FOR)
    return replace(known, lacks=(*lacks, Lack(placement=placement, tried_at=now)))


def over_quota(known: Dispatcher, provider: Provider, now: datetime) -> tuple[Dispatcher, bool]:
    """The account's vCPUs are used up; also returns whether people are to be notified."""
    before = _quota(known, provider) or QuotaWait(provider=provider, tried_at=now)
    is_news = now - before.reported_at >= REPORTED_FOR
    after = replace(before, tried_at=now, is_over=False, reported_at=now if is_news else before.reported_at)
    return _with_quota(known, after), is_news


def succeeded(known: Dispatcher, placement: Placement) -> Dispatcher:
    """A task was launched there."""
    quota = _quota(known, placement.provider)
    if quota and not quota.is_over:
        known = _with_quota(known, replace(quota, is_over=True))
    if _lack(known, placement):
        known = replace(known, lacks=tuple(one for one in known.lacks if one.placement != placement))
    return known


def tried_again_at(known: Dispatcher, now: datetime) -> datetime | None:
    """When the next launch may try what had no room; None if all has room."""
    moments = [one.tried_at + QUOTA_PAUSE for one in known.quotas if not one.is_over]
    moments += [one.tried_at + PAUSE[one.placement.provider] for one in known.lacks]
    return min((one for one in moments if one > now), default=None)


def _turn(identifier: str) -> int:
    """Not hash(), which differs from container to container: the choice follows from what is launched."""
    return crc32(identifier.encode())


def _is_avoided(known: Dispatcher, provider: Provider, subnet: str, now: datetime) -> bool:
    lack = _lack(known, Placement(provider=provider, subnet=subnet))
    return lack is not None and now - lack.tried_at < PAUSE[provider]


def _lack(known: Dispatcher, placement: Placement) -> Lack | None:
    return next((one for one in known.lacks if one.placement == placement), None)


def _quota(known: Dispatcher, provider: Provider) -> QuotaWait | None:
    return next((one for one in known.quotas if one.provider is provider), None)


def _with_quota(known: Dispatcher, quota: QuotaWait) -> Dispatcher:
    others = (one for one in known.quotas if one.provider is not quota.provider)
    return replace(known, quotas=(*others, quota))
