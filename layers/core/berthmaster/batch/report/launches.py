"""The notices about launches."""

from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.launch_failures import LaunchFailure
from berthmaster.batch.plan.placement import QUOTAS
from berthmaster.notices import Notice


def quota_reached(provider: Provider, failure: LaunchFailure) -> Notice:
    """The account's vCPUs are used up; said once a day at most."""
    return Notice(
        "Quota Reached",
        {"provider": provider, "quota": QUOTAS[provider], "diagnosis": failure.text},
        subject="files wait for the account's Fargate quota",
        text=(
            f"The account's quota `{QUOTAS[provider]}` is used up. Files wait until tasks end, yours or those of"
            " others; one is tried every minute. If they wait too long, have the quota raised in Service Quotas, or let"
            f" pipelines run fewer tasks at once.\n{failure.text}"
        ),
        is_warning=True,
    )
