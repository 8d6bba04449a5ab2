"""What a stopped task means: the exit codes of the contract `command`, and AWS's texts about tasks that did not start.

A text that AWS has changed must do no harm: what is not recognized is UNKNOWN, which is tried again a limited number of
times. AWS cuts `stoppedReason` short, so a text may lack the end that would tell a missing permission from a network
without a path. Such texts are UNREACHABLE: the breaker opens when several come in a row.
"""

from berthmaster.batch.model.stops import Cause, Diagnosis, OwnStop, Stop
from berthmaster.batch.plan.texts import Rule, first, quoting

KILLED = 128 + 9
TERMINATED = 128 + 15

ESSENTIAL_EXITED = "EssentialContainerExited"
ESSENTIAL_EXITED_TEXT = "essential container in task exited"
_SPOT_CODES = frozenset({"SpotInterruption", "TerminationNotice"})
# ECS does not always send a code with it.
_SPOT_TEXT = "spot task was interrupted"
_OUT_OF_MEMORY_TEXT = "outofmemory"
_EXEC_FORMAT_TEXT = "exec format error"

_EXIT_CODES = {
    0: (Cause.DONE, "The container has ended with exit code 0."),
    3: (Cause.REJECTED, "The container rejects the file with exit code 3: fix the file and put it again."),
    4: (Cause.NOTHING_TO_DO, "The container has nothing to do for this file (exit code 4)."),
    75: (Cause.TRY_LATER, "The container asks with exit code 75 for another try later: see its log for what it lacks."),
    KILLED: (
        Cause.OUT_OF_MEMORY,
        "The container was killed (exit code 137), most likely for lack of memory: give the task more.",
    ),
    TERMINATED: (
        Cause.INFRASTRUCTURE,
        "The container received SIGTERM (exit code 143) before its end: another container has ended, or AWS stops it.",
    ),
}
_EXEC_FORMAT = (
    Cause.CONFIGURATION,
    "The image is built for another CPU architecture: build it for that of the task, or change `runtimePlatform`.",
)
_EXIT_CODE_HINTS = {
    126: "its command cannot be executed; look at the permissions in the image",
    127: "its command was not found; compare the task definition with the image",
    134: "it has aborted; see its log",
    139: "it has crashed with a segmentation fault; see its log",
}

_OWN_STOPS = {
    OwnStop.TIMEOUT: (
        Cause.TIMED_OUT,
        "The task ran longer than the pipeline allows and was stopped: see its log, or raise `timeoutMinutes`.",
    ),
    OwnStop.CANCEL: (Cause.CANCELLED, "The task was stopped because its file was cancelled."),
    OwnStop.SUPERSEDED: (Cause.CANCELLED, "The task was stopped because a newer version of the object has come."),
    OwnStop.ORPHAN: (Cause.CANCELLED, "The task was stopped because no file of the ledger has it."),
    OwnStop.STUCK: (
        Cause.INFRASTRUCTURE,
        "The task did not start for a long time and was stopped; another one is started.",
    ),
    OwnStop.SILENT: (
        Cause.INFRASTRUCTURE,
        "The worker gave no sign of life for minutes, and its task was stopped: see its log.",
    ),
}

_NO_PATH = (
    "i/o timeout",
    "client.timeout exceeded",
    "request canceled while waiting for connection",
    "context deadline exceeded",
    "connection issue between the task",
    "your network configuration",
    "task network configuration",
    "send request failed",
    "requesterror",
    "no such host",
    "connection refused",
    "network is unreachable",
    "timed out",
)
_DENIED = (
    "accessdenied",
    "access denied",
    "not authorized to perform",
    "access to kms is not allowed",
    "401 unauthorized",
    "403 forbidden",
    "no basic auth credentials",
    "authorization failed",
    "insufficient_scope",
    "pull access denied",
    "no pull access",
    "resource is denied",
    "permissions to pull",
    "unauthorized:",
)
_INTERRUPTED = (
    ": eof",
    "unexpected eof",
    "invalid argument",
    "connection reset",
    "context canceled",
    "(500)",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway timeout",
)
_PULL = (("cannotpull",),)
_EFS = (("efs utils", "efs volumes"),)
_RUNTIME = (("cannotstartcontainer", "runtime task", "oci runtime"),)
_INTERFACE = (("network interface",),)

# The first that matches counts: what passes by itself, then what is denied or missing, then what may be either.
START_FAILURES: tuple[Rule[Cause], ...] = (
    Rule(
        (("timeout waiting for network interface provisioning", "timeout waiting for ephemeralstorage provisioning"),),
        Cause.INFRASTRUCTURE,
        "AWS did not provide the task's network interface or storage in time; another task is started.",
    ),
    Rule(
        (*_INTERFACE, ("insufficientfreeaddresses", "not enough free addresses", "insufficientcidrblocks")),
        Cause.CAPACITY,
        "The subnet has no free address for the task: give the pipeline more or larger subnets; another one is tried.",
    ),
    Rule(
        (*_INTERFACE, ("authfailure", "requestlimitexceeded", "internalerror", "unavailable")),
        Cause.INFRASTRUCTURE,
        "EC2 did not create the task's network interface, which passes by itself; another task is started.",
    ),
    Rule(
        (*_INTERFACE, ("notfound", "does not exist", "unauthorizedoperation", "securitygroupspernetworkinterface")),
        Cause.CONFIGURATION,
        "EC2 refuses the task's network interface: check subnets and security groups of the pipeline.",
    ),
    Rule(
        (("capacity is unavailable",),),
        Cause.CAPACITY,
        "Fargate has no capacity at the moment; another subnet or provider is tried.",
    ),
    Rule(
        (("throttling", "rate exceeded", "requestlimitexceeded"),),
        Cause.INFRASTRUCTURE,
        "A service that the task needs to start was throttled; another task is started.",
    ),
    Rule(
        (("unable to assume the role", "unable to assume role"),),
        Cause.CONFIGURATION,
        "ECS cannot assume a role of the task definition: it must exist and trust ecs-tasks.amazonaws.com.",
    ),
    Rule(
        (("no match for platform", "matching platform", "descriptor for platform", "no matching manifest"),),
        Cause.CONFIGURATION,
        "The image has no variant for the task's CPU architecture: build it for that one, or change `runtimePlatform`.",
    ),
    Rule(((_EXEC_FORMAT_TEXT,),), *_EXEC_FORMAT),
    Rule(
        (("no space left on device",),),
        Cause.CONFIGURATION,
        "The image is larger than the task's ephemeral storage: raise `ephemeralStorage` in the task definition.",
    ),
    Rule(
        (*_PULL, ("toomanyrequests", "pull rate limit", "429 too many requests")),
        Cause.UNREACHABLE,
        "The registry allows no more pulls for a while: keep the image in ECR, or log in to the registry.",
    ),
    Rule(
        (*_PULL, _NO_PATH),
        Cause.UNREACHABLE,
        "The task could not reach the image's registry: its subnet needs a NAT gateway, a public IP address or VPC"
        " endpoints, and its security groups must let it out.",
    ),
    Rule(
        (*_PULL, _DENIED),
        Cause.CONFIGURATION,
        "The image may not be pulled, or does not exist: check its name, and the execution role or the registry's"
        " credentials.",
    ),
    Rule(
        (
            *_PULL,
            (
                "not found",
                "manifest unknown",
                "does not exist",
                "name unknown",
                "invalid reference",
                "whether the image exists",
                "(404)",
            ),
        ),
        Cause.CONFIGURATION,
        "The image does not exist: check repository, tag and digest in the task definition, and push it.",
    ),
    Rule(
        (*_PULL, _INTERRUPTED),
        Cause.INFRASTRUCTURE,
        "The pull of the image was interrupted; another task is started.",
    ),
    Rule(
        (*_EFS, ("connection reset",)),
        Cause.INFRASTRUCTURE,
        "The connection to the file system was interrupted; another task is started.",
    ),
    Rule(
        (*_EFS, ("failed to resolve", "no such file or directory", *_DENIED)),
        Cause.CONFIGURATION,
        "The EFS file system cannot be mounted: check its mount targets, the path, the access point and the policy.",
    ),
    Rule(
        (("resourceinitializationerror", "cannotstartcontainer"), _NO_PATH),
        Cause.UNREACHABLE,
        "The task could not reach ECR, Secrets Manager, Systems Manager, CloudWatch Logs or EFS: its subnet needs a NAT"
        " gateway, a public IP address or VPC endpoints, and its security groups must let it out.",
    ),
    Rule(
        (("log group does not exist", "awslogs", "logging driver", "'endpoint' configuration is required"),),
        Cause.CONFIGURATION,
        "The container's log cannot be written: create the log group, and check `logConfiguration` and the execution"
        " role.",
    ),
    Rule(
        (("resourceinitializationerror",), _DENIED),
        Cause.CONFIGURATION,
        "The execution role may not read what the task needs to start: give it the permission that AWS names.",
    ),
    Rule(
        (
            ("unable to pull secrets", "unable to retrieve secret", "retrieve the secret", "env files"),
            (
                "resourcenotfound",
                "the specified secret",
                "secret arn is correct",
                "invalid ssm parameters",
                "parameternotfound",
                "not found",
            ),
        ),
        Cause.CONFIGURATION,
        "A secret, parameter or file of the task definition does not exist: check `secrets` and `environmentFiles`.",
    ),
    Rule(
        (("unable to retrieve secret",), ("invalid character", "json key", "unexpected arn format")),
        Cause.CONFIGURATION,
        "A secret is not what the task definition says it is: check its ARN, its JSON and the key in `secrets`.",
    ),
    Rule(
        (*_RUNTIME, ("executable file not found", "no such file or directory", "permission denied")),
        Cause.CONFIGURATION,
        "The container's command cannot be executed: check `command` and `entryPoint` of the task definition.",
    ),
    Rule(
        (("unable to pull secrets", "retrieve the secret", "failed to validate logger args", "env files"),),
        Cause.UNREACHABLE,
        "ECS could not read what the task needs to start: check the execution role, and that its subnet has a path to"
        " ECR, Secrets Manager and CloudWatch Logs.",
    ),
    Rule(
        _EFS,
        Cause.UNREACHABLE,
        "The EFS file system could not be mounted: check its mount targets and that security groups allow port 2049.",
    ),
    Rule(
        (("dockertimeouterror", "cannotinspectcontainer", "internalerror"),),
        Cause.INFRASTRUCTURE,
        "AWS could not start the container in time; another task is started.",
    ),
)

_BY_CODE = {
    "InfrastructureHealth": (
        Cause.INFRASTRUCTURE,
        "AWS has stopped the task because of the hardware below it; another one is started.",
    ),
    "UserInitiated": (
        Cause.INFRASTRUCTURE,
        "Somebody has stopped the task; another one is started. To give the file up, send `Cancel Requested`.",
    ),
    "ServiceSchedulerInitiated": (
        Cause.INFRASTRUCTURE,
        "An ECS service has stopped the task; another one is started.",
    ),
    ESSENTIAL_EXITED: (
        Cause.INFRASTRUCTURE,
        "The container has ended without an exit code, as it does when AWS kills it; another task is started.",
    ),
}
_UNKNOWN = (Cause.UNKNOWN, "The task has stopped for a reason that is not known here; another one is started.")
_SPOT = (Cause.SPOT, "Fargate Spot has taken the task's capacity back; another task is started.")
_OUT_OF_MEMORY = (
    Cause.OUT_OF_MEMORY,
    "The container used more memory than it has and was killed: give the task more.",
)


def classify(stop: Stop) -> Diagnosis:
    """Why a task has stopped.

    A container that ended by itself is believed even if the task was to be stopped. One that ended with exit code 0
    because it received SIGTERM is not: it may have done half.
    """
    cause, text = _classified(stop)
    said = "; ".join(part for part in (stop.reason, stop.container_reason) if part)
    return Diagnosis(cause, text if cause is Cause.DONE else quoting(text, said))


def _classified(stop: Stop) -> tuple[Cause, str]:
    text = f"{stop.reason} {stop.container_reason}".lower()
    has_exited = stop.code == ESSENTIAL_EXITED or (not stop.code and ESSENTIAL_EXITED_TEXT in text)
    if stop.own and (not has_exited or stop.exit_code in {None, KILLED, TERMINATED}):
        return _OWN_STOPS[stop.own]
    if stop.code in _SPOT_CODES or _SPOT_TEXT in text:
        return _SPOT
    if has_exited and stop.exit_code is not None:
        return _exited(stop.exit_code, text)
    found = first(START_FAILURES, text)
    if found:
        return found
    if _OUT_OF_MEMORY_TEXT in text:
        return _OUT_OF_MEMORY
    return _BY_CODE.get(ESSENTIAL_EXITED if has_exited else stop.code, _UNKNOWN)


def _exited(exit_code: int, text: str) -> tuple[Cause, str]:
    if exit_code and _OUT_OF_MEMORY_TEXT in text:
        return _OUT_OF_MEMORY
    if exit_code and _EXEC_FORMAT_TEXT in text:
        return _EXEC_FORMAT
    if exit_code in _EXIT_CODES:
        return _EXIT_CODES[exit_code]
    hint = _EXIT_CODE_HINTS.get(exit_code, "see its log")
    return Cause.APPLICATION, f"The container has failed with exit code {exit_code}: {hint}."
