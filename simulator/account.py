"""A simulated AWS account in one region, as each service's modules see it: time, clients, faults and their own state.

A service adds itself with handlers and patches and keeps what it must remember in state of its own:

>>> class Topics:
...     def __init__(self, account: Account) -> None:
...         self.published: list[str] = []
>>> def publish(account: Account, params: Params) -> Parsed:
...     account.state(Topics).published.append(params["Message"])
...     return {"MessageId": "1"}
>>> account.handlers["sns:Publish"] = publish
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import boto3
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID

from simulator.calls import Calls
from simulator.faults import Faults

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from simulator.clock import Clock
    from simulator.faults import FaultPlan
    from simulator.latency import Latency

type Params = Mapping[str, Any]
"""The parameters of a request, as boto3 takes them."""
type Parsed = dict[str, Any]
"""The response of a request, as boto3 returns it."""
type Handler = Callable[[Account, Params], Parsed | None]
"""Does an operation, or raises `AwsError`; None leaves the operation to moto."""
type Patch = Callable[[Account, Params, Parsed], None]
"""Corrects, in place, the response of moto or of a handler."""
type Handlers = dict[str, Handler]
type Patches = dict[str, Patch]


class Account:
    """What all services of a simulated account share.

    handlers: by operation, as in `ec2:CreateSubnet`; operations without a handler are moto's alone. withheld: the
    parameter of an operation that moto must not see, because a patch applies it. writes: calls by service, as in `ec2`,
    that may have changed something.
    """

    def __init__(self, *, seed: int, clock: Clock, region: str, faults: FaultPlan, latency: Latency) -> None:
        self.seed = seed
        self.clock = clock
        self.region = region
        self.account_id = DEFAULT_ACCOUNT_ID
        self.latency = latency
        self.calls = Calls()
        self.faults = Faults(faults)
        self.handlers: dict[str, Handler] = {}
        self.patches: dict[str, list[Patch]] = {}
        self.withheld: dict[str, str] = {}
        self.writes: Counter[str] = Counter()
        self._states: dict[Any, object] = {}
        self._progress: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._clients: dict[str, BaseClient] = {}
        self._backends: dict[str, Any] = {}

    def state[State](self, kind: Callable[[Account], State]) -> State:
        """The state that a service keeps of this account; `kind` is its class, and makes it on first use."""
        if kind not in self._states:
            self._states[kind] = kind(self)
        return cast("State", self._states[kind])

    def client(self, service: str) -> Any:
        """A boto3 client of the operator: the test, or a person at the console."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self.region)  # type: ignore[call-overload]
        return self._clients[service]

    def backend(self, service: str) -> Any:
        """Moto's own state of a service, for what no API shows."""
        if service not in self._backends:
            self._backends[service] = get_backend(service)[self.account_id][self.region]  # type: ignore[call-overload]
        return self._backends[service]

    def add_patch(self, operation: str, patch: Patch) -> None:
        """Correct the responses of an operation, after the patches it has already."""
        self.patches.setdefault(operation, []).append(patch)

    def later(self, delay: float, change: Callable[[], None]) -> None:
        """Let a change that AWS makes by itself happen after `delay` seconds: the first call from then on sees it."""
        heapq.heappush(self._progress, (self.clock.timestamp() + delay, next(self._order), change))

    def settle(self) -> None:
        """Make all changes that are due."""
        while self._progress and self._progress[0][0] <= self.clock.timestamp():
            heapq.heappop(self._progress)[2]()
