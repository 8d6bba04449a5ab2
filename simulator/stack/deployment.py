"""template.yaml deployed on a simulated cloud: its tables, queues, topics, buses and rules, wired to its functions."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

from simulator.aws.events.api_calls import FUNCTION_AGENT, Functions, Principal
from simulator.aws.events.bus import DEFAULT_BUS, complete
from simulator.aws.sns.topics import Topics
from simulator.aws.sqs.messages import send
from simulator.errors import AwsError
from simulator.processes import running_thread
from simulator.stack.asynchronous import AsynchronousInvocations, RetryPolicy
from simulator.stack.identities import Place
from simulator.stack.polling import QueuePoller
from simulator.stack.resources import create
from simulator.stack.runtime import Function, Runtime
from simulator.stack.template import TEMPLATE, Template

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from simulator.account import Account, Params, Parsed
    from simulator.aws.events.bus import SeenEvent
    from simulator.aws.sns.topics import Notification
    from simulator.cloud import Cloud
    from simulator.stack.logs import Logs
    from simulator.stack.runtime import Invocation
    from simulator.stack.template import Resource

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
DRAIN_LIMIT = 14 * 86400


class Deployment:
    """A stack of template.yaml, alive as long as its cloud is open.

    >>> with Cloud() as cloud:
    ...     berthmaster = Deployment(cloud, parameters={"CapacityMode": "enforce"})
    ...     berthmaster.run(minutes=15)

    schedules_enabled: may be switched at any time; a tick that falls due while it is off is lost. unscheduled: logical
    ids of functions that no schedule calls.
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        template: Path = TEMPLATE,
        parameters: Mapping[str, Any] | None = None,
        stack: str = "berthmaster",
        unscheduled: Collection[str] = (),
    ) -> None:
        self.cloud = cloud
        self.template = Template(template, parameters, place=Place(stack, cloud.region, cloud.account_id))
        self.schedules_enabled = True
        create(cloud, self.template)
        self.runtime = Runtime(cloud, self._functions())
        cloud.state(Functions).principals.update(self._principals())
        self.asynchronous = AsynchronousInvocations(cloud, self.runtime, self.deliver)
        self.asynchronous.policies.update(self._policies())
        cloud.buses.deliver = self.deliver
        cloud.handlers["lambda:Invoke"] = self._invoke_and_wait
        cloud.kubernetes.in_vpc |= {
            resource.logical_id
            for resource in self._resources("AWS::Lambda::Function")
            if resource.properties.get("VpcConfig")
        }
        self._pollers = [self._poller(mapping) for mapping in self._resources("AWS::Lambda::EventSourceMapping")]
        for schedule in self._resources("AWS::Scheduler::Schedule"):
            if self._logical_ids()[schedule.properties["Target"]["Arn"]] not in unscheduled:
                self._start(schedule)

    @property
    def logs(self) -> Logs:
        """What the functions printed."""
        return self.runtime.logs

    @property
    def invocations(self) -> list[Invocation]:
        """Every invocation so far."""
        return self.runtime.invocations

    @property
    def published(self) -> list[Notification]:
        """What was published to SNS topics."""
        return self.cloud.state(Topics).published

    @property
    def bus_events(self) -> list[SeenEvent]:
        """Every event that came to a bus, with the rules it matched."""
        return self.cloud.buses.seen

    def put_event(self, event: Mapping[str, Any], *, bus: str = DEFAULT_BUS) -> None:
        """Put an event on a bus as AWS itself does: any source, `id` and `time` filled in if they are missing."""
        self.cloud.settle()
        self.cloud.buses.put(bus, complete(self.cloud, event))

    def invoke(self, function: str, event: Any) -> Invocation:
        """Invoke a function and let time pass until it has ended."""
        ended: list[Invocation] = []
        self.runtime.start(function, event, ended.append)
        while not ended:
            self.cloud.clock.step()
        return ended[0]

    def run(self, *, minutes: float) -> None:
        """Let so much time pass; an invocation that is under way then goes on later."""
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + minutes * 60)

    def drain(self, *, limit: float = DRAIN_LIMIT) -> None:
        """Let time pass until no event is on its way, queued, or waiting for a retry; no schedule runs meanwhile.

        Raises TimeoutError after `limit` virtual seconds.
        """
        end = self.cloud.clock.timestamp() + limit
        enabled, self.schedules_enabled = self.schedules_enabled, False
        try:
            while not self.is_idle:
                if not self.cloud.clock.step(end):
                    raise TimeoutError(f"events are still on their way after {limit:g} s")
        finally:
            self.schedules_enabled = enabled

    @property
    def is_idle(self) -> bool:
        """Whether no event is on its way to a function."""
        is_quiet = not self.cloud.buses.on_the_way and not self.asynchronous.pending
        return is_quiet and all(poller.is_idle for poller in self._pollers)

    def messages(self, queue: str) -> list[str]:
        """The bodies of the messages in a queue, by its logical id, whether visible or not."""
        held = self.cloud.backend("sqs").get_queue(self.template.identity(queue).name)._messages
        return [message.body for message in held]

    def dead_letters(self, queue: str) -> list[Any]:
        """What ended in a dead-letter queue, by its logical id; JSON is parsed."""
        return [_parsed(body) for body in self.messages(queue)]

    def deliver(self, arn: str, text: str) -> None:
        """Deliver a text to a queue, a function or a bus, by its ARN."""
        service, resource = arn.split(":")[2], arn.split(":", 5)[5]
        if service == "sqs":
            send(self.cloud, resource, text)
        elif service == "lambda":
            self.asynchronous.invoke(self._logical_ids()[arn], json.loads(text))
        elif service == "events":
            self.cloud.buses.put(resource.rpartition("/")[2], json.loads(text))
        else:
            raise NotImplementedError(f"no delivery to {arn}")

    def _invoke_and_wait(self, _: Account, params: Params) -> Parsed:
        """Invoke, synchronously: the caller waits until the function has ended."""
        by_name = {name: one for one, f in self.runtime.functions.items() for name in (f.name, f.arn)}
        if params["FunctionName"] not in by_name:
            raise AwsError("ResourceNotFoundException", f"Function not found: {params['FunctionName']}", status=404)
        ended: list[Invocation] = []
        thread = running_thread()

        def has_ended(invocation: Invocation) -> None:
            ended.append(invocation)
            if thread is not None:
                self.cloud.clock.resume(thread)

        self.runtime.start(by_name[params["FunctionName"]], json.loads(params["Payload"]), has_ended)
        while not ended:
            if thread is None:
                self.cloud.clock.step()
            else:
                thread.suspend()
        (invocation,) = ended
        error = invocation.error
        answer = invocation.result if error is None else {"errorType": type(error).__name__, "errorMessage": str(error)}
        failed = {} if error is None else {"FunctionError": "Unhandled"}
        return {"StatusCode": 200, "Payload": BytesIO(json.dumps(answer).encode()), **failed}

    def _resources(self, resource_type: str) -> list[Resource]:
        return list(self.template.resources(resource_type))

    def _logical_ids(self) -> dict[str, str]:
        return {function.arn: logical_id for logical_id, function in self.runtime.functions.items()}

    def _functions(self) -> dict[str, Function]:
        layers = tuple(self.template.layer_folders())
        functions = {}
        for resource in self._resources("AWS::Lambda::Function"):
            properties = resource.properties
            logging = properties.get("LoggingConfig", {})
            functions[resource.logical_id] = Function(
                logical_id=resource.logical_id,
                name=resource.identity.name,
                arn=resource.identity.attributes["Arn"],
                handler=properties["Handler"],
                folder=self.template.code_folder(resource.logical_id),
                layers=layers,
                environment={name: str(value) for name, value in _variables(properties).items()},
                timeout=float(properties.get("Timeout", 3)),
                memory=int(properties.get("MemorySize", 128)),
                log_group=logging.get("LogGroup", f"/aws/lambda/{resource.identity.name}"),
                log_level=logging.get("ApplicationLogLevel", "INFO"),
            )
        return functions

    def _principals(self) -> dict[str, Principal]:
        """Who its functions are for AWS: a function's name is that of the session of its role."""
        found = {}
        for resource in self._resources("AWS::Lambda::Function"):
            role = resource.properties["Role"].rpartition("/")[2]
            found[resource.logical_id] = Principal(role, resource.identity.name, FUNCTION_AGENT)
        return found

    def _policies(self) -> dict[str, RetryPolicy]:
        letters = {
            resource.logical_id: resource.properties.get("DeadLetterConfig", {}).get("TargetArn", "")
            for resource in self._resources("AWS::Lambda::Function")
        }
        policies = {name: RetryPolicy(dead_letter=letter) for name, letter in letters.items()}
        by_name = {function.name: logical_id for logical_id, function in self.runtime.functions.items()}
        for config in self._resources("AWS::Lambda::EventInvokeConfig"):
            properties = config.properties
            logical_id = by_name[properties["FunctionName"]]
            destination = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
            policies[logical_id] = RetryPolicy(
                retries=int(properties.get("MaximumRetryAttempts", RetryPolicy.retries)),
                longest_age=float(properties.get("MaximumEventAgeInSeconds", RetryPolicy.longest_age)),
                on_failure=destination,
                dead_letter=letters[logical_id],
            )
        return policies

    def _poller(self, mapping: Resource) -> QueuePoller:
        properties = mapping.properties
        queue = properties["EventSourceArn"].rpartition(":")[2]
        by_name = {function.name: logical_id for logical_id, function in self.runtime.functions.items()}
        return QueuePoller(self.cloud, self.runtime, queue, by_name[properties["FunctionName"]], properties)

    def _start(self, schedule: Resource) -> None:
        expression, target = schedule.properties["ScheduleExpression"], schedule.properties["Target"]
        rate = RATE.fullmatch(expression)
        if rate is None:
            raise NotImplementedError(f"schedule expression {expression}")

        def tick() -> None:
            if not self.schedules_enabled:
                return
            event = {
                "source": "aws.scheduler",
                "detail-type": "Scheduled Event",
                "resources": [schedule.identity.attributes["Arn"]],
                "detail": "{}",
            }
            text = target.get("Input") or json.dumps(complete(self.cloud, event))
            for delay in self.cloud.faults.ticks():
                self.cloud.clock.after(delay, lambda: self.deliver(target["Arn"], text))

        if schedule.properties.get("State", "ENABLED") == "ENABLED":
            self.cloud.clock.every(int(rate[1]) * SECONDS[rate[2]], tick)


def _variables(properties: Mapping[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return variables


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
