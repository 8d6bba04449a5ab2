"""Where the task of a file runs: in which subnet, and on which of Fargate's providers.

A capacity provider strategy does not fail over from Spot to on-demand, nor does a list of subnets from one zone to the
next. So a request names one provider and one subnet, and subnets take turns: when Fargate has no capacity, that is
known of one zone then, and the next request goes to another. What had no capacity is left alone for a while; after
that, one launch tries again.

A quota is the account's: with that provider nothing is launched until one launch in a minute succeeds. There is no
change to the other provider, which may be dearer than anybody wants when hundreds of Spot tasks run already.
"""

from collections.abc import Iterator
from dataclasses import replace
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


def placed(known: Dispatcher, file: File, pipeline: Pipeline, now: datetime) -> tuple[Dispatcher, Placement | None]:
    """Where the next launch of a file goes, None if it has to wait; and what is known then.

    A launch that tries a subnet or a quota again is the only one that does.
    """
    number = file.launch.number if file.launch else 0
    for provider in _providers(file, pipeline):
        quota = _quota(known, provider)
        if quota and not quota.is_over:
            if now - quota.tried_at < QUOTA_PAUSE:
                return known, None
            known = _with_quota(known, replace(quota, tried_at=now))
        subnets = [one for one in pipeline.run.subnets if not _is_avoided(known, provider, one, now)]
        if subnets:
            # Not hash(), which differs from container to container: the choice follows from file and launch.
            placement = Placement(provider=provider, subnet=subnets[(crc32(file.id.encode()) + number) % len(subnets)])
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


def _providers(file: File, pipeline: Pipeline) -> Iterator[Provider]:
    if file.spot_losses < pipeline.spot_tries:
        yield Provider.FARGATE_SPOT
    yield Provider.FARGATE


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
