"""The quotas in force, from Service Quotas."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.capacity.model.vpc import Quotas
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient

SERVICE = "vpc"
CIDRS_PER_VPC = "L-83CA0A9D"
SUBNETS_PER_VPC = "L-407747CB"
ROUTES_PER_TABLE = "L-93826ACB"


def read_quotas(client: "ServiceQuotasClient", known: Quotas = Quotas()) -> Quotas:  # noqa: B008 - a frozen value
    """The quotas; for one that cannot be read what was known, and None, never a guess, if nothing was."""
    cidrs, subnets, routes = (_quota(client, code) for code in (CIDRS_PER_VPC, SUBNETS_PER_VPC, ROUTES_PER_TABLE))
    return Quotas(
        cidrs_per_vpc=known.cidrs_per_vpc if cidrs is None else cidrs,
        subnets_per_vpc=known.subnets_per_vpc if subnets is None else subnets,
        routes_per_table=known.routes_per_table if routes is None else routes,
    )


def _quota(client: "ServiceQuotasClient", code: str) -> int | None:
    try:
        return int(client.get_service_quota(ServiceCode=SERVICE, QuotaCode=code)["Quota"]["Value"])
    except ClientError as error:
        return _default(client, code) if code_of(error) == "NoSuchResourceException" else None
    except BotoCoreError:
        return None


def _default(client: "ServiceQuotasClient", code: str) -> int | None:
    try:
        return int(client.get_aws_default_service_quota(ServiceCode=SERVICE, QuotaCode=code)["Quota"]["Value"])
    except (ClientError, BotoCoreError):
        return None
