"""No role allows more than its work needs, and none allows a change to what is not tagged for Berthmaster."""

import pytest
from policy_sentry.querying.actions import get_action_data

from simulator.template_contract.application import FUNCTIONS, as_list, named, of_type, properties
from simulator.template_contract.grants import IMPLIED, WHATEVER_ITS_TAGS, Grant, granted

HOLDERS = sorted(of_type("AWS::IAM::Role"))
GRANTS = [(holder, grant) for holder in HOLDERS for grant in granted(holder)]
ALL = [pytest.param(grant, id=f"{holder}-{grant.sid}-{grant.action}") for holder, grant in GRANTS]
ON_ARNS = [
    pytest.param(grant, id=f"{holder}-{grant.sid}-{grant.action}-{grant.resource_type}")
    for holder, grant in GRANTS
    if grant.resource.startswith("arn:")
]


def test_every_function_has_its_own_role() -> None:
    roles = [properties(function)["Role"] for function in FUNCTIONS]
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("role", HOLDERS)
def test_a_role_has_only_policies_of_the_template(role: str) -> None:
    attached = {named(policy) for policy in properties(role).get("ManagedPolicyArns", ())}
    assert attached <= set(of_type("AWS::IAM::ManagedPolicy"))


@pytest.mark.parametrize("policy", sorted(of_type("AWS::IAM::ManagedPolicy")))
def test_a_managed_policy_is_shared_and_attached_only_to_roles_of_functions(policy: str) -> None:
    roles = of_type("AWS::IAM::Role").items()
    holding = {role for role, its in roles if f"${{{policy}}}" in its.get("ManagedPolicyArns", ())}
    assert len(holding) > 1
    assert holding <= {named(properties(function)["Role"]) for function in FUNCTIONS}
    assert not {"Roles", "Users", "Groups"} & set(properties(policy))


@pytest.mark.parametrize("grant", ALL)
def test_aws_knows_the_action(grant: Grant) -> None:
    assert grant.action != "*"
    assert not grant.action.endswith(":*")
    assert grant.actions


@pytest.mark.parametrize("grant", ALL)
def test_a_write_names_its_resources(grant: Grant) -> None:
    assert not grant.changes_something or grant.resource != "*" or grant.by_lambda_only


@pytest.mark.parametrize("holder", HOLDERS)
def test_resources_outside_the_stack_are_changed_only_by_tag(holder: str) -> None:
    for grant in [grant for grant in granted(holder) if grant.changes_others]:
        by_tag = any("berthmaster:" in key for key in grant.condition_keys)
        on_creation = (grant.action, *grant.condition_keys) in {
            ("ec2:CreateTags", "ec2:CreateAction"),
            ("ecs:TagResource", "ecs:CreateAction"),
        }
        to_service = grant.action == "iam:PassRole" and "iam:PassedToService" in grant.condition_keys
        assert by_tag or on_creation or to_service or (grant.action, grant.resource_type) in WHATEVER_ITS_TAGS, grant


def test_each_exception_is_still_needed() -> None:
    granted_now = [grant for _, grant in GRANTS]
    assert set(IMPLIED) <= {grant.action for grant in granted_now}
    assert set(WHATEVER_ITS_TAGS) <= {
        (grant.action, grant.resource_type)
        for grant in granted_now
        if not any("berthmaster:" in key for key in grant.condition_keys)
    }


@pytest.mark.parametrize("grant", ALL)
def test_aws_knows_the_condition_for_the_action(grant: Grant) -> None:
    """A key that AWS does not send with an action is absent: a condition on it holds never, or always."""
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
def test_a_function_cannot_send_an_operators_request(function: str) -> None:
    for grant in [grant for grant in granted(function) if grant.action == "events:PutEvents"]:
        assert grant.resource == "${Bus.Arn}"
        assert grant.condition == {
            "ForAllValues:StringEquals": {"events:source": "berthmaster"},
            "Null": {"events:source": "false"},
        }


def test_no_role_is_passed_and_no_rule_or_schedule_is_changed_unless_a_parameter_names_roles() -> None:
    by_default = {grant.action for grant in granted("CapacityExpandFunction", {})}
    with_roles = {grant.action for grant in granted("CapacityExpandFunction")}
    assert with_roles - by_default == {"events:PutTargets", "scheduler:UpdateSchedule", "iam:PassRole"}
    assert by_default <= with_roles


@pytest.mark.parametrize("function", ["TargetsSyncFunction", "TargetsReconcileFunction", "TargetsPodsFunction"])
def test_no_dns_record_is_written_unless_a_parameter_names_its_zone(function: str) -> None:
    assert [grant for grant in granted(function, {}) if grant.service == "route53"] == []
    (grant,) = [grant for grant in granted(function) if grant.service == "route53"]
    assert grant.resource == "arn:aws:route53:::hostedzone/${TargetsHostedZones}"
    assert grant.condition["ForAllValues:StringEquals"] == {"route53:ChangeResourceRecordSetsRecordTypes": ["A", "SRV"]}
    assert grant.condition["Null"] == {"route53:ChangeResourceRecordSetsRecordTypes": "false"}


@pytest.mark.parametrize("function", ["CapacityWatchFunction", "TargetsGateFunction", "TargetsPodsReaderFunction"])
def test_a_function_that_only_reads_changes_nothing_outside_the_stack(function: str) -> None:
    assert [grant for grant in granted(function) if grant.changes_others] == []


def test_only_the_function_that_receives_requests_can_stop_a_task_that_batch_has_not_launched() -> None:
    stops = {name: grant for name in FUNCTIONS for grant in granted(name) if grant.action == "ecs:StopTask"}
    assert set(stops) == {"TargetsSyncFunction", "BatchReconcileFunction"}
    assert stops["BatchReconcileFunction"].condition == {
        "StringEquals": {"aws:ResourceTag/berthmaster:stack": "berthmaster"}
    }


def test_schedules_may_start_only_scheduled_functions() -> None:
    schedules = of_type("AWS::Scheduler::Schedule").values()
    invoked = {grant.resource for grant in granted("ScheduleRole") if grant.service == "lambda"}
    assert invoked == {one["Target"]["Arn"] for one in schedules}
    assert {one["Target"]["RoleArn"] for one in schedules} == {"${ScheduleRole.Arn}"}


def test_only_targets_pods_may_call_the_function_in_the_vpc_and_no_other() -> None:
    reader = "${TargetsPodsReaderFunction.Arn}"
    callers = {(holder, grant.resource) for holder, grant in GRANTS if grant.action == "lambda:InvokeFunction"}
    assert {holder for holder, resource in callers if resource == reader} == {"TargetsPodsRole"}
    assert {resource for holder, resource in callers if holder == "TargetsPodsRole"} == {reader}


def test_the_code_of_the_function_in_the_vpc_can_call_no_api_that_changes_anything() -> None:
    for grant in granted("TargetsPodsReaderFunction"):
        assert grant.by_lambda_only or grant.service in {"logs", "kms"}


def test_ecs_may_call_the_gate_and_nothing_else() -> None:
    assert [(grant.action, grant.resource) for grant in granted("TargetsGateInvokeRole")] == [
        ("lambda:InvokeFunction", "${TargetsGateFunction.Arn}")
    ]


@pytest.mark.parametrize("role", HOLDERS)
def test_a_role_is_for_one_service(role: str) -> None:
    (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert len(as_list(statement["Principal"]["Service"])) == 1
