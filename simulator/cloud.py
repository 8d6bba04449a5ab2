"""AWS in one process: moto's state, the rules moto lacks, virtual time, faults, and a record of every call."""

from __future__ import annotations

import functools
import heapq
import itertools
import os
import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

import boto3
import botocore.session
from botocore.client import BaseClient, ClientCreator
from botocore.loaders import create_loader
from botocore.useragent import UserAgentString
from moto import mock_aws
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_api._internal import mock_random

from simulator.aws.cloud_map.registry import Discovery
from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.ipam import Ipam
from simulator.aws.ecs.task_life import Tasks
from simulator.aws.elbv2.targets import Targets
from simulator.aws.events.bus import Buses
from simulator.aws.service_quotas.quotas import Quotas
from simulator.botocore.interception import intercepting
from simulator.calls import Calls
from simulator.clock import MONDAY, Clock
from simulator.errors import AwsError, FunctionDied
from simulator.faults import CALM, FaultPlan, Faults

if TYPE_CHECKING:
    from datetime import datetime

    from botocore.model import ServiceModel

    from simulator.aws.sns.topics import Notification

type Params = Mapping[str, Any]
type Parsed = dict[str, Any]
type Answer = Callable[[Cloud, Params], Parsed | None]
type Mend = Callable[[Cloud, Params, Parsed], None]
type Answers = dict[str, Answer]
type Mends = dict[str, Mend]

REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    # Nobody launches an instance here; moto would make a snapshot for each of some thousand images.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}


_shared_loader = functools.cache(create_loader)
_make_client_class = ClientCreator._create_client_class  # type: ignore[attr-defined]
_client_classes: dict[str, type[BaseClient]] = {}


def _shared_client_class(creator: ClientCreator, service_name: str, service_model: ServiceModel) -> type[BaseClient]:
    if service_name not in _client_classes:
        _client_classes[service_name] = _make_client_class(creator, service_name, service_model)
    return _client_classes[service_name]


class Cloud:
    """A simulated AWS account in one region, open as long as its `with` block.

    >>> with Cloud(seed=7) as cloud:
    ...     vpc = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")

    Every boto3 client made while it is open talks to it. `association_delay` and `subnet_delay` are how long, in
    virtual seconds, a CIDR block stays `associating` and a subnet `pending`; `call_latency` is what a function's call
    takes, so that even an endless loop of calls ends in a timeout. A `clock` of one's own takes the place of `start`.
    The same seed gives the same ids, addresses and faults.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start: datetime = MONDAY,
        clock: Clock | None = None,
        region: str = REGION,
        faults: FaultPlan = CALM,
        association_delay: float = 20.0,
        subnet_delay: float = 2.0,
        call_latency: float = 0.02,
    ) -> None:
        self.seed = seed
        self.region = region
        self.account = DEFAULT_ACCOUNT_ID
        self.association_delay = association_delay
        self.subnet_delay = subnet_delay
        self.call_latency = call_latency
        self.clock = clock or Clock(start)
        self.calls = Calls()
        self.faults = Faults(faults)
        self.quotas = Quotas()
        self.ipam = Ipam(region)
        self.interfaces = Interfaces(Random(f"{seed}:addresses"))
        self.described_interfaces: dict[str, Parsed] = {}
        self.buses = Buses()
        self.targets = Targets(self)
        self.discovery = Discovery(self)
        self.published: list[Notification] = []
        self.attended_services: set[str] = set()
        self.tasks = Tasks(self)
        self.transactions: dict[str, tuple[float, str]] = {}
        self.dead: FunctionDied | None = None
        self.answers: Answers = {}
        self.mends: Mends = {}
        self._progress: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._clients: dict[str, BaseClient] = {}
        self._backends: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            environment = {**ENVIRONMENT, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
            stack.enter_context(patch.dict(os.environ, environment))
            stack.callback(random.setstate, random.getstate())
            random.seed(f"{self.seed}:process")
            mock_random.seed(self.seed)
            stack.enter_context(mock_aws())
            # botocore builds the header anew for each request, at a fifth of the cost of a simulated call.
            stack.enter_context(patch.object(UserAgentString, "to_string", lambda _: "simulated"))
            # Each container has a session of its own; they may share the parsed service models and client classes.
            stack.enter_context(patch.object(botocore.session, "create_loader", _shared_loader))
            stack.enter_context(patch.object(ClientCreator, "_create_client_class", _shared_client_class))
            stack.enter_context(self.clock)
            stack.enter_context(intercepting(self))
            self._install()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._clients.clear()
        self._stack.__exit__(*exception)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Cloud(seed={self.seed}, faults={self.faults!r})"

    def client(self, service: str) -> Any:
        """A boto3 client of the operator: the test, or a person at the console."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self.region)  # type: ignore[call-overload]
        return self._clients[service]

    def backend(self, service: str) -> Any:
        """Moto's own state of a service, for what no API shows."""
        if service not in self._backends:
            self._backends[service] = get_backend(service)[self.account][self.region]  # type: ignore[call-overload]
        return self._backends[service]

    @property
    def ec2(self) -> Any:
        """Moto's EC2 state."""
        return self.backend("ec2")

    @property
    def ecs(self) -> Any:
        """Moto's ECS state."""
        return self.backend("ecs")

    def later(self, delay: float, change: Callable[[], None]) -> None:
        """Let AWS make progress of its own after `delay` seconds: seen by the first call after that time.

        A function that sleeps through it finds it done, although no callback of the clock runs during an invocation.
        """
        heapq.heappush(self._progress, (self.clock.timestamp() + delay, next(self._order), change))

    def settle(self) -> None:
        """Make all progress that is due."""
        while self._progress and self._progress[0][0] <= self.clock.timestamp():
            heapq.heappop(self._progress)[2]()

    def all_subnets(self) -> list[Any]:
        """Every subnet (moto's) of the region."""
        return [subnet for zone in self.ec2.subnets.values() for subnet in zone.values()]

    def subnets_of(self, vpc_id: str) -> list[Any]:
        """The subnets (moto's) of one VPC."""
        return [subnet for subnet in self.all_subnets() if subnet.vpc_id == vpc_id]

    def subnet(self, subnet_id: str) -> Any:
        """One subnet (moto's), or AWS's error."""
        for zone in self.ec2.subnets.values():
            if subnet_id in zone:
                return zone[subnet_id]
        raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")

    def tags(self, resource_id: str) -> dict[str, str]:
        """The tags of an EC2 resource."""
        found: dict[str, str] = self.ec2.tags.get(resource_id, {})
        return found

    def tag_list(self, resource_id: str) -> list[dict[str, str]]:
        """The tags of an EC2 resource as its API shows them."""
        return [{"Key": key, "Value": value} for key, value in self.tags(resource_id).items()]

    def stop_dry_run(self, params: Params) -> None:
        """End a request with DryRun here: it would have succeeded."""
        if params.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)

    def _install(self) -> None:
        from simulator.aws import operations as tables  # noqa: PLC0415 - its modules import this one for their types

        self.answers.update(tables.ANSWERS)
        self.mends.update(tables.MENDS)
        ec2 = self.ec2
        for eni_id, eni in ec2.enis.items():
            self.interfaces[eni_id] = eni
        ec2.enis = self.interfaces
