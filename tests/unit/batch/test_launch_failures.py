"""Why RunTask has not started a task, and what follows."""
# ruff: noqa: E501 -- the texts are quoted as AWS writes them

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.launch_failures import CONSEQUENCES, FailureKind
from berthmaster.batch.plan.launch_failures import of_error, of_reason
from berthmaster.batch.plan.texts import QUOTED

INVALID = "InvalidParameterException"
CLIENT = "ClientException"
DENIED = "AccessDeniedException"
CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
VCPUS = "reached the limit on the number of vCPUs you can run concurrently. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
UNHEARD = st.text("xyz 0123456789:.,()'\\n")
"""Words that AWS has not used yet."""

ERRORS = [
    ("ThrottlingException", "Rate exceeded", FailureKind.THROTTLED),
    (CLIENT, "Rate exceeded", FailureKind.THROTTLED),
    ("Throttling", "Rate exceeded", FailureKind.THROTTLED),
    # dask/dask-cloudprovider 56: a parameter's error is one of throttling.
    (
        INVALID,
        "Error retrieving security group information for [sg-0a]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)",
        FailureKind.THROTTLED,
    ),
    ("ServerException", "Service Unavailable. Please try again later.", FailureKind.UNKNOWN),
    ("InternalFailure", "", FailureKind.UNKNOWN),
    ("ExpiredTokenException", "The security token included in the request is expired", FailureKind.UNKNOWN),
    ("", "Read timeout on endpoint URL: https://ecs.eu-west-1.amazonaws.com/", FailureKind.UNKNOWN),
    ("", "Could not connect to the endpoint URL", FailureKind.UNKNOWN),
    # What did not come from AWS is not read.
    ("", "Rate exceeded", FailureKind.UNKNOWN),
    ("ConflictException", "The client token is in use.", FailureKind.CONFLICT),
    (CLIENT, f"You've {VCPUS}", FailureKind.QUOTA),
    (CLIENT, "The requested CPU configuration is above your limit", FailureKind.QUOTA),
    (CLIENT, CAPACITY, FailureKind.CAPACITY),
    (CLIENT, "The cluster has reached its limit of tasks in the PROVISIONING state.", FailureKind.CAPACITY),
    # DefangLabs/defang 775.
    (INVALID, "TaskDefinition is inactive", FailureKind.CONFIGURATION),
    (CLIENT, "TaskDefinition not found.", FailureKind.CONFIGURATION),
    (INVALID, "Task definition does not support launch_type FARGATE.", FailureKind.CONFIGURATION),
    (INVALID, "No Container Instances were found in your cluster.", FailureKind.CONFIGURATION),
    # jonrau1/ElectricEye 9.
    (
        INVALID,
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        FailureKind.CONFIGURATION,
    ),
    # moosefs/moosefs-csi 1.
    (
        INVALID,
        "Error retrieving subnet information for [subnet-0a]: The subnet ID 'subnet-0a' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
        FailureKind.CONFIGURATION,
    ),
    (INVALID, "The specified capacity provider 'FARGATE_SPOT' was not found.", FailureKind.CONFIGURATION),
    (INVALID, "Something new.", FailureKind.CONFIGURATION),
    # convox/rack 1906: the next file has another key.
    (INVALID, "Container Overrides length must be at most 8192", FailureKind.FILE),
    (
        DENIED,
        "User: arn:aws:sts::123456789012:assumed-role/x is not authorized to perform: ecs:RunTask on resource: arn:x because no identity-based policy allows the ecs:RunTask action",
        FailureKind.CONFIGURATION,
    ),
    (
        DENIED,
        "User: arn:x is not authorized to perform: iam:PassRole on resource: arn:x because no identity-based policy allows the iam:PassRole action",
        FailureKind.CONFIGURATION,
    ),
    ("ClusterNotFoundException", "Cluster not found.", FailureKind.CONFIGURATION),
    ("ClusterNotFoundException", "The referenced cluster was inactive.", FailureKind.CONFIGURATION),
    ("PlatformUnknownException", "", FailureKind.CONFIGURATION),
    ("PlatformTaskDefinitionIncompatibilityException", "", FailureKind.CONFIGURATION),
    ("UnsupportedFeatureException", "", FailureKind.CONFIGURATION),
    ("BlockedException", "Your account has been blocked", FailureKind.CONFIGURATION),
]

REASONS = [
    (CAPACITY, FailureKind.CAPACITY),
    ("Capacity is unavailable at this time.", FailureKind.CAPACITY),
    # The apostrophe is typographic in some answers.
    (f"You\N{RIGHT SINGLE QUOTATION MARK}ve {VCPUS}", FailureKind.QUOTA),
    (f"You've {VCPUS}", FailureKind.QUOTA),
    # wellcomecollection/platform 3875.
    ("You've reached the limit on the number of tasks you can run concurrently", FailureKind.QUOTA),
    ("RESOURCE:CPU", FailureKind.CAPACITY),
    ("RESOURCE:MEMORY", FailureKind.CAPACITY),
    ("RESOURCE:ENI", FailureKind.CAPACITY),
    ("AGENT", FailureKind.CONFIGURATION),
    ("LOCATION", FailureKind.CONFIGURATION),
    ("ATTRIBUTE", FailureKind.CONFIGURATION),
    ("INACTIVE", FailureKind.CONFIGURATION),
    ("MISSING", FailureKind.CONFIGURATION),
    ("Something new", FailureKind.REFUSED),
    ("", FailureKind.REFUSED),
]


@pytest.mark.parametrize(("code", "message", "kind"), ERRORS)
def test_the_kind_of_an_error(code: str, message: str, kind: FailureKind) -> None:
    found = of_error(code, message)
    assert found.kind is kind
    assert message in found.text


@pytest.mark.parametrize(("reason", "kind"), REASONS)
def test_the_kind_of_a_failure(reason: str, kind: FailureKind) -> None:
    found = of_reason(reason, "detail")
    assert found.kind is kind
    assert found.text.endswith("detail")


def test_a_role_that_may_not_be_passed_is_told_from_a_task_definition_that_may_not_be_run() -> None:
    assert "BatchPassRoles" in of_error(DENIED, "not authorized to perform: iam:PassRole").text
    assert "BatchTaskDefinitions" in of_error(DENIED, "not authorized to perform: ecs:RunTask").text


@given(UNHEARD, UNHEARD)
def test_an_answer_that_is_not_known_keeps_the_token_or_counts(code: str, message: str) -> None:
    """No file is tried without end with new tokens, and none gets a second task by an answer that was lost."""
    assert of_error(code, message).kind is FailureKind.UNKNOWN
    assert of_reason(message).kind is FailureKind.REFUSED


def test_a_new_token_never_follows_an_outcome_that_is_not_known() -> None:
    """A ThrottlingException is known, but its token has not been used."""
    assert set(CONSEQUENCES) == set(FailureKind)
    keeping = {kind for kind, follows in CONSEQUENCES.items() if follows.keeps_token}
    assert keeping == {FailureKind.UNKNOWN, FailureKind.THROTTLED}


def test_a_diagnosis_quotes_aws_but_not_without_end() -> None:
    assert len(of_error(CLIENT, "x" * 9_000).text) < QUOTED + 120
