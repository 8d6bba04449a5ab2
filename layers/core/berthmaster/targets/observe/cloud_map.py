"""Cloud Map services, kept in the container."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.model import DiscoveryService, Finding, deleted
from berthmaster.targets.observe.failed_reads import AWS_FAILED

VALID_FOR = timedelta(minutes=10)
AT_ONCE = 8


class CloudMapServices:
    """The Cloud Map services that were needed so far; `read` and `get` take the same time, as those of TargetGroups."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._services: Expiring[DiscoveryService | Finding] = Expiring()

    def get(self, arn: str, now: datetime) -> DiscoveryService | Finding | None:
        """A service that was read, or why it cannot be managed."""
        return self._services.get(arn, now)

    def forget(self, arn: str) -> None:
        """Read a service again, since what is remembered of it is contradicted."""
        self._services.forget(arn)

    def read(self, arns: Sequence[str], now: datetime, may_begin: Callable[[], bool]) -> dict[str, Exception]:
        """Read those that are not known; returns the errors of those that could not be read."""
        failed: dict[str, Exception] = {}
        unknown = [arn for arn in arns if self._services.get(arn, now) is None]
        for one in concurrently(self._service, unknown, at_once=AT_ONCE, may_begin=may_begin):
            if isinstance(one.error, AWS_FAILED):
                failed[one.item] = one.error
            else:
                self._services.put(one.item, one.result, now, VALID_FOR)
        return failed

    def _service(self, arn: str) -> DiscoveryService | Finding:
        service_id = Arn.parse(arn).name
        try:
            found = self._clients.discovery.get_service(Id=service_id)["Service"]
        except ClientError as error:
            if code_of(error) != "ServiceNotFound":
                raise
            return deleted(arn)
        records = found.get("DnsConfig", {}).get("DnsRecords", ())
        if any(record["Type"] not in {"A", "SRV"} for record in records):
            kinds = ", ".join(sorted(record["Type"] for record in records))
            return Finding(
                destination=arn, code="record type", text=f"its DNS records are {kinds}; only A and SRV can be managed"
            )
        if "HealthCheckConfig" in found:
            return Finding(
                destination=arn,
                code="health check",
                text="it has a Route 53 health check, which cannot reach private addresses",
            )
        return DiscoveryService(
            service_id=service_id,
            ttl=max((record["TTL"] for record in records), default=0),
            has_custom_health="HealthCheckCustomConfig" in found,
        )
