"""Data is encrypted at rest and in transit, closed to others, and kept as long as it is needed."""

import re
from typing import Any

import pytest

from simulator.template_contract.application import FUNCTIONS, as_list, named, of_type, properties, resources, source
from simulator.template_contract.grants import granted
from tests.template.test_order import AUTOMATIONS

KEY = "${Key.Arn}"
POLICIES = {
    **{name: policy["Queues"] for name, policy in of_type("AWS::SQS::QueuePolicy").items()},
    **{name: policy["Topics"] for name, policy in of_type("AWS::SNS::TopicPolicy").items()},
}
"""The queues and topics of each resource policy, as symbols."""
FROM_TASKS = ("BatchResultQueue", "BatchResultDeadLetterQueue")
"""Workers send to the first."""
TASK_ROLES = ["arn:aws:iam::123456789012:role/ocr", "arn:aws:iam::123456789012:role/execution"]


@pytest.mark.parametrize("queue", sorted(of_type("AWS::SQS::Queue")))
def test_a_queue_is_encrypted(queue: str) -> None:
    if queue in FROM_TASKS:
        # The roles of tasks would need the key.
        assert properties(queue)["SqsManagedSseEnabled"] is True
    else:
        assert properties(queue)["KmsMasterKeyId"] == KEY


@pytest.mark.parametrize("topic", sorted(of_type("AWS::SNS::Topic")))
def test_a_topic_is_encrypted(topic: str) -> None:
    assert properties(topic)["KmsMasterKeyId"] == KEY


@pytest.mark.parametrize("group", sorted(of_type("AWS::Logs::LogGroup")))
def test_a_log_group_is_encrypted_and_has_a_retention(group: str) -> None:
    assert properties(group)["KmsKeyId"] == KEY
    assert int(properties(group)["RetentionInDays"]) > 0


@pytest.mark.parametrize("table", sorted(of_type("AWS::DynamoDB::Table")))
def test_a_table_is_encrypted_and_can_be_restored(table: str) -> None:
    assert properties(table)["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    assert properties(table)["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("name", [*of_type("AWS::DynamoDB::Table"), *of_type("AWS::KMS::Key")])
def test_tables_and_their_key_are_kept_when_the_stack_is_deleted(name: str) -> None:
    assert resources()[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resources()[name]["UpdateReplacePolicy"] == "Retain"


def test_the_key_rotates() -> None:
    assert properties("Key")["EnableKeyRotation"] is True


@pytest.mark.parametrize(
    "service",
    ["cloudwatch.amazonaws.com", "events.amazonaws.com", "logs.eu-central-1.amazonaws.com", "sns.amazonaws.com"],
)
def test_the_key_allows_the_services_that_encrypt_with_it(service: str) -> None:
    (statement,) = [one for one in statements("Key", "KeyPolicy") if one["Principal"].get("Service") == service]
    assert "kms:Decrypt" in statement["Action"]
    assert {"kms:GenerateDataKey", "kms:GenerateDataKey*"} & set(statement["Action"])


def test_the_key_allows_the_log_group_by_its_name() -> None:
    (statement,) = [one for one in statements("Key", "KeyPolicy") if one["Sid"] == "Logs"]
    allowed = statement["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
    (group,) = of_type("AWS::Logs::LogGroup").values()
    assert allowed == f"arn:aws:logs:eu-central-1:123456789012:log-group:{group['LogGroupName']}"


def test_every_queue_and_topic_has_one_policy() -> None:
    covered = [named(symbol) for symbols in POLICIES.values() for symbol in symbols]
    assert sorted(covered) == sorted([*of_type("AWS::SQS::Queue"), *of_type("AWS::SNS::Topic")])


@pytest.mark.parametrize("policy", POLICIES)
def test_only_tls_is_accepted(policy: str) -> None:
    (denying,) = [one for one in statements(policy) if one["Sid"] == "TlsOnly"]
    assert denying["Effect"] == "Deny"
    assert denying["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert {named(one) for one in as_list(denying["Resource"])} == {named(one) for one in POLICIES[policy]}


@pytest.mark.parametrize("policy", POLICIES)
def test_only_services_are_allowed_and_only_for_resources_of_this_account(policy: str) -> None:
    for statement in statements(policy):
        if statement["Effect"] == "Allow":
            assert set(statement["Principal"]) == {"Service"}
            keys = {key for condition in statement["Condition"].values() for key in condition}
            assert "aws:SourceArn" in keys


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_sqs_send_message_is_not_enough_to_send_an_operators_request(name: str) -> None:
    """Conditions of one statement must all hold for it to deny; a negated one holds where its key is absent."""
    queue = properties(name)["EventSourceArn"]
    automation = next(one for one in AUTOMATIONS if named(queue).startswith(one))
    tag = re.sub(r"\B(?=[A-Z])", "-", automation).lower()
    senders = [
        f"${{{role}.Arn}}"
        for role in of_type("AWS::IAM::Role")
        if (queue, "sqs:SendMessage") in {(grant.resource, grant.action) for grant in granted(role)}
    ]
    if named(queue) in FROM_TASKS:
        senders = TASK_ROLES
    policy = properties(f"{named(queue)}Policy", BatchPassRoles=",".join(TASK_ROLES))["PolicyDocument"]
    (denying,) = [one for one in policy["Statement"] if one["Sid"] == "NobodyElseSends"]
    assert (denying["Effect"], denying["Principal"]) == ("Deny", "*")
    assert (denying["Action"], denying["Resource"]) == ("sqs:SendMessage", queue)
    assert denying["Condition"] == {
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        **({"ArnNotEquals": {"aws:PrincipalArn": senders if len(senders) > 1 else senders[0]}} if senders else {}),
        "StringNotEquals": {f"aws:PrincipalTag/berthmaster:{tag}": "operator"},
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_writes_json_to_the_log_group(function: str) -> None:
    logging = properties(function)["LoggingConfig"]
    assert (logging["LogFormat"], logging["LogGroup"]) == ("JSON", "${LogGroup}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_on_the_chosen_processor(function: str) -> None:
    assert properties(function)["Architectures"] == ["arm64"]
    assert properties(function, Architecture="x86_64")["Architectures"] == ["x86_64"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_not_traced_since_no_code_writes_segments(function: str) -> None:
    assert "TracingConfig" not in properties(function)


def test_layers_are_built_for_the_chosen_processor() -> None:
    layers = [
        resource for resource in source()["Resources"].values() if resource["Type"] == "AWS::Serverless::LayerVersion"
    ]
    for layer in layers:
        assert layer["Metadata"]["BuildArchitecture"] == {"Ref": "Architecture"}
        assert layer["Properties"]["CompatibleArchitectures"] == [{"Ref": "Architecture"}]


def statements(name: str, policy: str = "PolicyDocument") -> list[dict[str, Any]]:
    """The statements of a resource policy."""
    return list(properties(name)[policy]["Statement"])
