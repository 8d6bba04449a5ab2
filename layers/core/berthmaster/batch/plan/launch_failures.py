"""What it means that RunTask has not started a task: the codes of its errors, and the reasons in `failures`.

An error without a known code leaves open whether a task was started, so the same token is used again. One that ECS
has answered with a client's error has started none.

Sources: ECS API Reference, RunTask; ECS Developer Guide, API failure reasons and service event messages; issues of the
repositories that the tests name.
"""

from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.plan.texts import Rule, first, quoting

_THROTTLED = "AWS allows no faster launches at the moment; they are slowed down."
_UNKNOWN = (
    FailureKind.UNKNOWN,
    "AWS has not answered whether a task was started; the same request is made again.",
)
_REFUSED = (FailureKind.REFUSED, "AWS has not started the task; it is tried again.")

_THROTTLING = Rule(
    # EC2's too: ECS looks subnets and security groups up with calls of EC2, and names the error a parameter's.
    (("throttling", "rate exceeded", "rate limit exceeded", "request limit exceeded", "requestlimitexceeded"),),
    FailureKind.THROTTLED,
    _THROTTLED,
)
_CAPACITY = Rule(
    (("capacity is unavailable", "capacity unavailable"),),
    FailureKind.CAPACITY,
    "Fargate has no capacity at the moment; other subnets are tried, then the other provider.",
)
# AWS writes the apostrophe of "You've" in two ways.
_QUOTA = Rule(
    (
        (
            "reached the limit on the number of vcpus",
            "reached the limit on the number of tasks",
            "configuration is above your limit",
        ),
    ),
    FailureKind.QUOTA,
    "The account's Fargate vCPU quota is used up: files wait until tasks end; raise the quota in Service Quotas.",
)
_PROVISIONING = Rule(
    (("provisioning",),),
    FailureKind.CAPACITY,
    "The cluster has as many tasks in PROVISIONING as it may; more are started when those run.",
)
_OVERRIDES = Rule(
    (("overrides length must be", "overrides total"),),
    FailureKind.FILE,
    "The file's key is too long for RunTask, which takes 8192 characters: put the object under a shorter key.",
)
_PASS_ROLE = Rule(
    (("iam:passrole", "pass the role", "passrole"),),
    FailureKind.CONFIGURATION,
    "A role of the task definition may not be passed: name it in the template's parameter `BatchPassRoles`.",
)
_ANY_CODE = (_THROTTLING, _CAPACITY, _QUOTA)
_CLIENT_ERRORS = (
    _PROVISIONING,
    _OVERRIDES,
    _PASS_ROLE,
    Rule(
        (("taskdefinition", "task definition"),),
        FailureKind.CONFIGURATION,
        "The task definition cannot be used: it must be active, and fit Fargate and `awsvpc`.",
    ),
    Rule(
        (("no container instances",),),
        FailureKind.CONFIGURATION,
        "The task definition is one for EC2: add FARGATE to its `requiresCompatibilities`.",
    ),
    Rule(
        (("service linked role",),),
        FailureKind.CONFIGURATION,
        "The account has no service-linked role of ECS: `aws iam create-service-linked-role --aws-service-name"
        " ecs.amazonaws.com`.",
    ),
    Rule(
        (("subnet", "security group", "network configuration"),),
        FailureKind.CONFIGURATION,
        "The pipeline's network cannot be used: check `subnets` and `securityGroups`.",
    ),
    Rule(
        (("capacity provider",),),
        FailureKind.CONFIGURATION,
        "The cluster has no capacity provider FARGATE or FARGATE_SPOT: add both to the cluster.",
    ),
)
_BY_CODE = {
    "ThrottlingException": (FailureKind.THROTTLED, _THROTTLED),
    "ConflictException": (
        FailureKind.CONFLICT,
        "This launch has started a task before, with other parameters; that task is followed.",
    ),
    "AccessDeniedException": (
        FailureKind.CONFIGURATION,
        "RunTask is denied: name the task definition in `BatchTaskDefinitions`, its roles in `BatchPassRoles`.",
    ),
    "ClusterNotFoundException": (
        FailureKind.CONFIGURATION,
        "The pipeline's cluster does not exist in this account and Region, or is inactive: check `cluster`.",
    ),
    "PlatformUnknownException": (FailureKind.CONFIGURATION, "The platform version of Fargate does not exist."),
    "PlatformTaskDefinitionIncompatibilityException": (
        FailureKind.CONFIGURATION,
        "The task definition needs what this platform version of Fargate does not have.",
    ),
    "UnsupportedFeatureException": (
        FailureKind.CONFIGURATION,
        "The task definition needs what Fargate does not have in this Region.",
    ),
    "BlockedException": (FailureKind.CONFIGURATION, "AWS has blocked the account: contact AWS Support."),
    "InvalidParameterException": (
        FailureKind.CONFIGURATION,
        "RunTask does not accept the pipeline: compare it with what AWS says.",
    ),
    "ClientException": (
        FailureKind.CONFIGURATION,
        "RunTask does not accept the pipeline: compare it with what AWS says.",
    ),
}
_CLIENT_CODES = frozenset({"InvalidParameterException", "ClientException", "AccessDeniedException"})

_REASONS = (
    *_ANY_CODE,
    _PROVISIONING,
    Rule(
        (("resource:",),),
        FailureKind.CAPACITY,
        "The cluster has no room for the task; other subnets are tried, then the other provider.",
    ),
    Rule(
        (("agent", "attribute", "location"),),
        FailureKind.CONFIGURATION,
        "ECS tried to place the task on EC2: add FARGATE to `requiresCompatibilities` of the task definition.",
    ),
    Rule(
        (("inactive", "missing"),),
        FailureKind.CONFIGURATION,
        "The cluster does not exist or is inactive: check `cluster`.",
    ),
)


def of_error(code: str, message: str) -> LaunchFailure:
    """What an exception of RunTask means; code: AWS's, or empty if it has not answered, as after a timeout."""
    rules = (*_ANY_CODE, *_CLIENT_ERRORS) if code in _CLIENT_CODES else _ANY_CODE if code else ()
    kind, text = first(rules, f"{code} {message}") or _BY_CODE.get(code, _UNKNOWN)
    return LaunchFailure(kind, quoting(text, f"{code}: {message}" if code else message))


def of_reason(reason: str, detail: str = "") -> LaunchFailure:
    """What an entry of `failures` means, in an answer without an error."""
    said = "; ".join(part for part in (reason, detail) if part)
    kind, text = first(_REASONS, said) or _REFUSED
    return LaunchFailure(kind, quoting(text, said))
