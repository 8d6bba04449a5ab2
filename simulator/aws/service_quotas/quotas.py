"""Service Quotas: AWS's defaults, and the value applied to this account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params


@dataclass(frozen=True)
class Quota:
    """One quota; `default` is AWS's, per region."""

    service: str
    code: str
    name: str
    default: float


# Sources: Amazon VPC User Guide, "Amazon VPC quotas"; Amazon ECS, and Elastic Load Balancing, endpoints and quotas.
QUOTAS = (
    Quota("vpc", "L-83CA0A9D", "IPv4 CIDR blocks per VPC", 5),
    Quota("vpc", "L-407747CB", "Subnets per VPC", 200),
    Quota("vpc", "L-589F43AA", "Route tables per VPC", 200),
    Quota("vpc", "L-93826ACB", "Routes per route table", 50),
    Quota("vpc", "L-B4A6D682", "Network ACLs per VPC", 200),
    Quota("vpc", "L-2AEEBF1A", "Rules per network ACL", 20),
    Quota("vpc", "L-DF5E4CA3", "Network interfaces per Region", 5000),
    Quota("vpc", "L-44499CD2", "Subnets that can be shared with an account", 100),
    Quota("vpc", "L-F678F1CE", "VPCs per Region", 5),
    Quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60),
    Quota("elasticloadbalancing", "L-A0D0B863", "Targets per Target Group per Region", 1000),
    Quota("elasticloadbalancing", "L-7E6692B2", "Targets per Application Load Balancer", 1000),
    Quota("elasticloadbalancing", "L-EEF1AD04", "Targets per Network Load Balancer", 3000),
    Quota("elasticloadbalancing", "L-B211E961", "Targets per Availability Zone per Network Load Balancer", 500),
)
DEFAULTS = {quota.code: quota for quota in QUOTAS}
SERVICE_NAMES = {
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
    "elasticloadbalancing": "Elastic Load Balancing (ELB)",
}


class Quotas:
    """The quotas applied to the simulated account."""

    def __init__(self, _: Account) -> None:
        self._applied: dict[str, float] = {}

    def value(self, code: str) -> float:
        """The applied value of a quota."""
        return self._applied.get(code, DEFAULTS[code].default)

    def apply(self, code: str, value: float) -> None:
        """Grant or cut a quota, as an approved quota request does."""
        if code not in DEFAULTS:
            raise KeyError(code)
        self._applied[code] = value


def get_service_quota(account: Account, params: Params) -> dict[str, Any]:
    """GetServiceQuota: the applied value."""
    quota = _find(params)
    return {"Quota": _described(account, quota, account.state(Quotas).value(quota.code))}


def get_aws_default_service_quota(account: Account, params: Params) -> dict[str, Any]:
    """GetAWSDefaultServiceQuota: the value of a new account."""
    quota = _find(params)
    return {"Quota": _described(account, quota, quota.default)}


def list_service_quotas(account: Account, params: Params) -> dict[str, Any]:
    """ListServiceQuotas: all applied values of one service."""
    chosen = [quota for quota in QUOTAS if quota.service == params["ServiceCode"]]
    return {"Quotas": [_described(account, quota, account.state(Quotas).value(quota.code)) for quota in chosen]}


def _find(params: Params) -> Quota:
    quota = DEFAULTS.get(params["QuotaCode"])
    if quota is None or quota.service != params["ServiceCode"]:
        raise AwsError(
            "NoSuchResourceException", "The request failed because the specified service quota does not exist."
        )
    return quota


def _described(account: Account, quota: Quota, value: float) -> dict[str, Any]:
    return {
        "ServiceCode": quota.service,
        "ServiceName": SERVICE_NAMES[quota.service],
        "QuotaArn": f"arn:aws:servicequotas:{account.region}:{account.account_id}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


HANDLERS: Handlers = {
    "service-quotas:GetServiceQuota": get_service_quota,
    "service-quotas:GetAWSDefaultServiceQuota": get_aws_default_service_quota,
    "service-quotas:ListServiceQuotas": list_service_quotas,
}
