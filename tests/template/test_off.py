"""With mode `off` AWS's events, the schedules and the alarms of an automation are disabled; requests still arrive."""

import pytest

from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment
from simulator.template_contract.application import named, of_type, properties, source

AUTOMATIONS = ["Capacity", "Targets", "Batch", "SecurityGroups"]
GIVEN = {
    "BatchInputBuckets": "arn:aws:s3:::incoming",
    "FlowLogBuckets": "arn:aws:s3:::flow-logs",
    "SecurityGroupsRestoreAlarms": "shop-unreachable",
}
"""Without an input bucket, batch is off whatever its mode, and so is security_groups without flow logs."""
FOR_REQUESTS = {"SecurityGroups": {"SecurityGroupsOperatorRule", "SecurityGroupsChangeOperatorRule"}}
"""The rules for requests, where an automation has more than its OperatorRule."""
LOOKING_FOR_UNFINISHED = {"SecurityGroups": {"SecurityGroupsChangeFunction"}}
"""What looks on a schedule for work that was left: rules in quarantine, about which no message waits."""
MODE_PARAMETERS = [f"{automation}Mode" for automation in AUTOMATIONS]
MODES = source()["Parameters"]["CapacityMode"]["AllowedValues"]


def enabled_rules(automation: str, mode: str) -> set[str]:
    """The rules of an automation that are enabled in a mode."""
    rules = of_type("AWS::Events::Rule", **GIVEN, **{f"{automation}Mode": mode})
    return {
        name
        for name, rule in rules.items()
        if name.startswith(automation) and rule.get("State", "ENABLED") == "ENABLED"
    }


def enabled_schedules(automation: str, mode: str) -> set[str]:
    """The functions of an automation that are started by schedule in a mode."""
    schedules = of_type("AWS::Scheduler::Schedule", **GIVEN, **{f"{automation}Mode": mode}).values()
    started = {named(one["Target"]["Arn"]) for one in schedules if one["State"] == "ENABLED"}
    return {function for function in started if function.startswith(automation)}


def enabled_alarms(automation: str, mode: str) -> set[str]:
    """The alarms of an automation that notify in a mode."""
    alarms = of_type("AWS::CloudWatch::Alarm", **GIVEN, **{f"{automation}Mode": mode})
    return {name for name, alarm in alarms.items() if name.startswith(automation) and alarm.get("ActionsEnabled", True)}


@pytest.mark.parametrize("automation", AUTOMATIONS)
def test_off_disables_every_rule_but_the_operators(automation: str) -> None:
    assert enabled_rules(automation, "off") == FOR_REQUESTS.get(automation, {f"{automation}OperatorRule"})


@pytest.mark.parametrize("automation", AUTOMATIONS)
def test_off_disables_every_schedule_but_the_one_that_looks_for_unfinished_work(automation: str) -> None:
    assert enabled_schedules(automation, "off") == LOOKING_FOR_UNFINISHED.get(automation, set())


@pytest.mark.parametrize("automation", AUTOMATIONS)
def test_off_disables_every_alarm_but_the_one_for_unfinished_work(automation: str) -> None:
    assert enabled_alarms(automation, "off") == {f"{automation}UnfinishedAlarm"}


@pytest.mark.parametrize("automation", AUTOMATIONS)
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "off"])
def test_every_other_mode_enables_everything(automation: str, mode: str) -> None:
    for kind, enabled in [
        ("AWS::Events::Rule", enabled_rules(automation, mode)),
        ("AWS::CloudWatch::Alarm", enabled_alarms(automation, mode)),
    ]:
        assert enabled == {name for name in of_type(kind, **GIVEN) if name.startswith(automation)}
    assert enabled_schedules(automation, mode)


@pytest.mark.parametrize("automation", AUTOMATIONS)
def test_off_leaves_the_other_automation_and_what_is_shared_enabled(automation: str) -> None:
    off = {**GIVEN, f"{automation}Mode": "off"}
    for kind, key in [("AWS::Events::Rule", "State"), ("AWS::CloudWatch::Alarm", "ActionsEnabled")]:
        for name, before in of_type(kind, **GIVEN).items():
            if not name.startswith(automation):
                assert of_type(kind, **off)[name].get(key) == before.get(key)
    kind = "AWS::Scheduler::Schedule"
    its_own = LOOKING_FOR_UNFINISHED.get(automation, set())
    assert {name for name, one in of_type(kind, **off).items() if one["State"] == "ENABLED"} == {
        name
        for name, one in of_type(kind, **GIVEN).items()
        for function in [named(one["Target"]["Arn"])]
        if not function.startswith(automation) or function in its_own
    }


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_off_leaves_the_functions_queues_connected(name: str) -> None:
    assert properties(name, **dict.fromkeys(MODE_PARAMETERS, "off")).get("Enabled", True) is True


@pytest.mark.parametrize("automation", ["Batch", "SecurityGroups"])
def test_without_a_bucket_an_automation_is_as_if_it_were_off(automation: str) -> None:
    by_default = {kind: of_type(kind) for kind in ("AWS::Events::Rule", "AWS::CloudWatch::Alarm")}
    off = {kind: of_type(kind, **{f"{automation}Mode": "off"}) for kind in by_default}
    for kind, resources in by_default.items():
        its = {name for name in resources if name.startswith(automation)}
        assert {name: resources[name] for name in its} == {name: off[kind][name] for name in its}
    schedules = of_type("AWS::Scheduler::Schedule").values()
    started = {named(one["Target"]["Arn"]) for one in schedules if one["State"] == "ENABLED"}
    assert not {function for function in started if function.startswith(automation)}


def test_a_stack_that_is_off_receives_only_requests() -> None:
    with Cloud() as cloud:
        berthmaster = Deployment(cloud, parameters=dict.fromkeys(MODE_PARAMETERS, "off"))
        berthmaster.run(minutes=10)
        stopped = {"lastStatus": "STOPPED", "stopCode": "TaskFailedToStart"}
        reason = {"stoppedReason": "InsufficientFreeAddressesInSubnet"}
        berthmaster.put_event(
            {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {**stopped, **reason}}
        )
        for automation in ("capacity", "targets", "batch", "security_groups"):
            detail = {"automation": automation}
            berthmaster.put_event(
                {"source": "berthmaster.operator", "detail-type": "Pause Requested", "detail": detail},
                bus="berthmaster",
            )
        assert berthmaster.invocations == []
        assert [event.rules for event in berthmaster.bus_events] == [
            (),
            ("berthmaster-CapacityOperatorRule",),
            ("berthmaster-TargetsOperatorRule",),
            ("berthmaster-BatchOperatorRule",),
            ("berthmaster-SecurityGroupsOperatorRule",),
        ]
