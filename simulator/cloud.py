"""AWS in one process: moto's state, the rules moto lacks, virtual time, faults, and a record of every call."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self
from unittest.mock import patch

import moto.eks.models  # noqa: F401 - draws ids when it is imported, so it must be before a seed is set
from moto.moto_api._internal import mock_random

from simulator.account import Account
from simulator.aws import operations
from simulator.aws.cloud_map.registry import Discovery
from simulator.aws.dynamodb.expressions import parsed_once
from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.ipam import Ipam
from simulator.aws.ec2.subnets import Creations
from simulator.aws.ec2.vpcs import Associations
from simulator.aws.ecs.fargate import Fargate
from simulator.aws.ecs.task_life import Tasks
from simulator.aws.eks import network as eks_network
from simulator.aws.eks.api_server import ApiServers
from simulator.aws.elbv2.targets import Targets
from simulator.aws.events.bus import Buses
from simulator.aws.s3 import events as s3_events
from simulator.aws.service_quotas.quotas import Quotas
from simulator.botocore.clients import sharing_models
from simulator.botocore.dispatch import caching, mocking
from simulator.botocore.hooks import intercepting
from simulator.clock import MONDAY, Clock
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.latency import Realistic

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simulator.latency import Latency

REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    # Nobody launches an instance here; moto would make a snapshot for each of some thousand images.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    # With a checksum, an object is sent in chunks that moto tells by a header of the signature, and nothing is signed.
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}


class Cloud(Account):
    """A simulated AWS account in one region, open as long as its `with` block.

    >>> with Cloud(seed=7) as cloud:
    ...     vpc = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")

    Every boto3 client made while it is open talks to it. `association_delay` and `subnet_delay` are how long, in
    virtual seconds, a CIDR block stays `associating` and a subnet `pending`. `latency` is what the calls of functions
    take; realistic, unless a test says otherwise. A `clock` of one's own takes the place of `start`. The same seed
    gives the same ids, addresses, faults and latency, and so the same order of everything.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start: datetime = MONDAY,
        clock: Clock | None = None,
        region: str = REGION,
        faults: FaultPlan = NO_FAULTS,
        association_delay: float = 20.0,
        subnet_delay: float = 2.0,
        latency: Latency | None = None,
    ) -> None:
        super().__init__(
            seed=seed,
            clock=clock or Clock(start),
            region=region,
            faults=faults,
            latency=latency or Realistic(seed),
        )
        self.state(Associations).delay = association_delay
        self.state(Creations).delay = subnet_delay
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            environment = {**ENVIRONMENT, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
            stack.enter_context(patch.dict(os.environ, environment))
            stack.callback(random.setstate, random.getstate())
            random.seed(f"{self.seed}:process")
            # What uuid4 draws from.
            stack.enter_context(patch("os.urandom", random.Random(f"{self.seed}:urandom").randbytes))
            mock_random.seed(self.seed)
            stack.enter_context(mocking())
            stack.enter_context(sharing_models())
            stack.enter_context(caching())
            stack.enter_context(parsed_once())
            stack.enter_context(self.clock)
            stack.enter_context(intercepting(self))
            stack.enter_context(eks_network.answering(self))
            stack.enter_context(s3_events.sending(self))
            operations.install(self)
            stack.callback(self.tasks.abandon)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._clients.clear()
        self._stack.__exit__(*exception)  # type: ignore[arg-type]

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the cloud closes, before time and AWS are real again; the last one registered first."""
        self._stack.callback(callback)

    def __repr__(self) -> str:
        return f"Cloud(seed={self.seed}, faults={self.faults!r})"

    @property
    def buses(self) -> Buses:
        """EventBridge's buses and every event they saw."""
        return self.state(Buses)

    @property
    def discovery(self) -> Discovery:
        """The instances that Cloud Map knows."""
        return self.state(Discovery)

    @property
    def fargate(self) -> Fargate:
        """What Fargate has and lacks."""
        return self.state(Fargate)

    @property
    def interfaces(self) -> Interfaces:
        """EC2's network interfaces and the addresses they hold."""
        return self.state(Interfaces)

    @property
    def ipam(self) -> Ipam:
        """The pools of VPC IPAM."""
        return self.state(Ipam)

    @property
    def kubernetes(self) -> ApiServers:
        """The API servers of EKS's clusters."""
        return self.state(ApiServers)

    @property
    def quotas(self) -> Quotas:
        """The service quotas applied to the account."""
        return self.state(Quotas)

    @property
    def targets(self) -> Targets:
        """The targets of Elastic Load Balancing's target groups."""
        return self.state(Targets)

    @property
    def tasks(self) -> Tasks:
        """The tasks of ECS."""
        return self.state(Tasks)
