"""No role may do more than its work, and none may touch what is not tagged for Berthmaster."""

from collections.abc import Iterator

import pytest
from policy_sentry.querying.actions import get_action_data

from tests.template.application import FUNCTIONS, as_list, of_type, properties
from tests.template.grants import ANYWHERE, IMPLIED, WHATEVER_ITS_TAGS, Grant, granted

SCHEDULES = ("CapacityWatchFunctionEveryFiveMinutes", "TargetsReconcileFunctionEveryMinute")
HOLDERS = (*FUNCTIONS, *SCHEDULES, "TargetsGateInvokeRole")
GRANTS = [(holder, grant) for holder in HOLDERS for grant in granted(holder)]
ALL = [pytest.param(grant, id=f"{holder}-{grant.sid}-{grant.action}") for holder, grant in GRANTS]
ON_ARNS = [
    pytest.param(grant, id=f"{holder}-{grant.sid}-{grant.action}-{grant.resource_type}")
    for holder, grant in GRANTS
    if grant.resource.startswith("arn:")
]


def others(grants: list[Grant]) -> Iterator[Grant]:
    """Grants to change what the template does not itself make."""
    return (
        grant for grant in grants if grant.changes_something and not grant.is_in_stack and grant.action not in ANYWHERE
    )


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [properties(function)["Role"] for function in FUNCTIONS]
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("role", sorted(of_type("AWS::IAM::Role")))
def test_a_role_has_no_policy_that_is_not_in_the_template(role: str) -> None:
    assert "ManagedPolicyArns" not in properties(role)


@pytest.mark.parametrize("grant", ALL)
def test_aws_knows_the_action(grant: Grant) -> None:
    assert grant.action != "*"
    assert not grant.action.endswith(":*")
    assert grant.actions


@pytest.mark.parametrize("grant", ALL)
def test_what_changes_something_names_it(grant: Grant) -> None:
    assert not grant.changes_something or grant.resource != "*" or grant.action in ANYWHERE


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_is_not_in_the_stack_is_changed_only_by_tag(holder: str) -> None:
    for grant in others(granted(holder)):
        by_tag = any("berthmaster:" in key for key in grant.condition_keys)
        on_creation = grant.action == "ec2:CreateTags" and "ec2:CreateAction" in grant.condition_keys
        to_service = grant.action == "iam:PassRole" and "iam:PassedToService" in grant.condition_keys
        assert by_tag or on_creation or to_service or (grant.action, grant.resource_type) in WHATEVER_ITS_TAGS, grant


def test_each_exception_is_still_needed() -> None:
    granted_now = [grant for _, grant in GRANTS]
    assert set(ANYWHERE) | set(IMPLIED) <= {grant.action for grant in granted_now}
    assert set(WHATEVER_ITS_TAGS) <= {
        (grant.action, grant.resource_type)
        for grant in granted_now
        if not any("berthmaster:" in key for key in grant.condition_keys)
    }


@pytest.mark.parametrize("grant", ALL)
def test_aws_knows_the_condition_for_the_action(grant: Grant) -> None:
    """A key that AWS does not know there is absent, and a condition on it never holds, or always."""
    for action in grant.actions:
        service, _, name = action.partition(":")
        known = {key for row in get_action_data(service, name)[service] for key in row["condition_keys"]}
        known |= {f"{key.partition('/')[0]}/" for key in known if "${TagKey}" in key}
        for key in grant.condition_keys:
            assert key in known or f"{key.partition('/')[0]}/" in known, (action, key)


@pytest.mark.parametrize("grant", ON_ARNS)
def test_aws_knows_the_resource_for_the_action(grant: Grant) -> None:
    service, _, name = grant.action.partition(":")
    arns = {row["resource_arn_format"] for row in get_action_data(service, name)[service]} - {"*"}
    assert grant.resource_type in {arn.split(":", 5)[-1].partition("/")[0] for arn in arns}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_cannot_speak_as_an_operator(function: str) -> None:
    for grant in [grant for grant in granted(function) if grant.action == "events:PutEvents"]:
        assert grant.resource == "${Bus.Arn}"
        assert grant.condition == {
            "ForAllValues:StringEquals": {"events:source": "berthmaster"},
            "Null": {"events:source": "false"},
        }


def test_no_role_is_passed_on_and_no_rule_or_schedule_is_changed_unless_an_operator_names_roles() -> None:
    by_default = {grant.action for grant in granted("CapacityExpandFunction", ())}
    generous = {grant.action for grant in granted("CapacityExpandFunction")}
    assert generous - by_default == {"events:PutTargets", "scheduler:UpdateSchedule", "iam:PassRole"}
    assert by_default <= generous


@pytest.mark.parametrize("function", ["TargetsSyncFunction", "TargetsReconcileFunction"])
def test_no_dns_record_is_written_unless_an_operator_names_its_zone(function: str) -> None:
    assert [grant for grant in granted(function, ()) if grant.service == "route53"] == []
    (grant,) = [grant for grant in granted(function) if grant.service == "route53"]
    assert grant.resource == "arn:aws:route53:::hostedzone/${TargetsHostedZones}"
    assert grant.condition["ForAllValues:StringEquals"] == {"route53:ChangeResourceRecordSetsRecordTypes": ["A", "SRV"]}
    assert grant.condition["Null"] == {"route53:ChangeResourceRecordSetsRecordTypes": "false"}


@pytest.mark.parametrize("function", ["CapacityWatchFunction", "TargetsGateFunction"])
def test_who_only_looks_changes_nothing_but_its_own(function: str) -> None:
    assert list(others(granted(function))) == []


def test_only_an_operators_word_reaches_who_can_stop_a_task() -> None:
    assert [name for name in FUNCTIONS if "ecs:StopTask" in {grant.action for grant in granted(name)}] == [
        "TargetsSyncFunction"
    ]


def test_ecs_may_call_the_gate_and_nothing_else() -> None:
    assert [(grant.action, grant.resource) for grant in granted("TargetsGateInvokeRole")] == [
        ("lambda:InvokeFunction", "${TargetsGateFunction.Arn}")
    ]


@pytest.mark.parametrize("role", sorted(of_type("AWS::IAM::Role")))
def test_a_role_is_for_one_service(role: str) -> None:
    (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert len(as_list(statement["Principal"]["Service"])) == 1
