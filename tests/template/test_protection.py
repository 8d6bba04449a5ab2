"""Encrypted at rest, TLS on the way, open to nobody, kept for as long as it is of use."""

from typing import Any

import pytest

from tests.template.application import FUNCTIONS, as_list, named, of_type, properties, resources, source

KEY = "${Key.Arn}"
POLICIES = {
    "AWS::SQS::Queue": "QueuePolicy",
    "AWS::SNS::Topic": "TopicPolicy",
}


@pytest.mark.parametrize("queue", sorted(of_type("AWS::SQS::Queue")))
def test_a_queue_is_encrypted(queue: str) -> None:
    assert properties(queue)["KmsMasterKeyId"] == KEY


@pytest.mark.parametrize("topic", sorted(of_type("AWS::SNS::Topic")))
def test_a_topic_is_encrypted(topic: str) -> None:
    assert properties(topic)["KmsMasterKeyId"] == KEY


@pytest.mark.parametrize("group", sorted(of_type("AWS::Logs::LogGroup")))
def test_a_log_group_is_encrypted_and_forgets(group: str) -> None:
    assert properties(group)["KmsKeyId"] == KEY
    assert int(properties(group)["RetentionInDays"]) > 0


@pytest.mark.parametrize("table", sorted(of_type("AWS::DynamoDB::Table")))
def test_a_table_is_encrypted_and_can_be_restored(table: str) -> None:
    assert properties(table)["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    assert properties(table)["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("name", [*of_type("AWS::DynamoDB::Table"), *of_type("AWS::KMS::Key")])
def test_the_ledger_and_its_key_outlive_the_stack(name: str) -> None:
    assert resources()[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resources()[name]["UpdateReplacePolicy"] == "Retain"


def test_the_key_rotates() -> None:
    assert properties("Key")["EnableKeyRotation"] is True


@pytest.mark.parametrize(
    "service", ["cloudwatch.amazonaws.com", "events.amazonaws.com", "logs.eu-central-1.amazonaws.com"]
)
def test_the_key_serves_who_must_encrypt_with_it(service: str) -> None:
    (statement,) = [one for one in statements("Key", "KeyPolicy") if one["Principal"].get("Service") == service]
    assert "kms:Decrypt" in statement["Action"]
    assert {"kms:GenerateDataKey", "kms:GenerateDataKey*"} & set(statement["Action"])


def test_the_key_knows_the_log_groups_by_their_names() -> None:
    (statement,) = [one for one in statements("Key", "KeyPolicy") if one["Sid"] == "Logs"]
    (pattern,) = as_list(statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
    prefix = pattern.partition("log-group:")[2].removesuffix("*")
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["LogGroupName"].startswith(prefix)


@pytest.mark.parametrize(
    ("name", "policy"),
    [(name, policy) for kind, policy in POLICIES.items() for name in sorted(of_type(kind))],
)
def test_only_tls_gets_in(name: str, policy: str) -> None:
    (denying,) = [one for one in statements(policy) if one["Sid"] == "TlsOnly"]
    assert denying["Effect"] == "Deny"
    assert denying["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert name in {named(resource) for resource in as_list(denying["Resource"])}


@pytest.mark.parametrize("policy", POLICIES.values())
def test_who_gets_in_is_named_and_comes_from_this_account(policy: str) -> None:
    for statement in statements(policy):
        if statement["Effect"] == "Allow":
            assert set(statement["Principal"]) == {"Service"}
            keys = {key for condition in statement["Condition"].values() for key in condition}
            assert "aws:SourceArn" in keys


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_who_may_send_messages_cannot_speak_as_an_operator(name: str) -> None:
    """Conditions of one statement must all hold for it to deny; a negated one holds where its key is absent."""
    queue, function = properties(name)["EventSourceArn"], named(properties(name)["FunctionName"])
    (denying,) = [
        one for one in statements("QueuePolicy") if one["Action"] == "sqs:SendMessage" and one["Resource"] == queue
    ]
    assert (denying["Effect"], denying["Principal"]) == ("Deny", "*")
    automation = named(queue).removesuffix("Queue").lower()
    assert denying["Condition"] == {
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        "ArnNotEquals": {"aws:PrincipalArn": properties(function)["Role"]},
        "StringNotEquals": {f"aws:PrincipalTag/berthmaster:{automation}": "operator"},
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_where_the_template_says(function: str) -> None:
    logging = properties(function)["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    assert named(logging["LogGroup"]) in of_type("AWS::Logs::LogGroup")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_traced_and_runs_on_the_chosen_processor(function: str) -> None:
    assert properties(function)["TracingConfig"] == {"Mode": "Active"}
    assert properties(function)["Architectures"] == ["arm64"]


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
