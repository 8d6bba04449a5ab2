# ruff: noqa: E501 -- the texts are quoted as AWS writes them
"""What ECS has said of stopped tasks, and the cause that is in it. The texts are AWS's, account ids and names are not.

Sources: issues of the repositories that are named, the ECS Developer Guide (stopped task errors), the ECS agent.
"""

from berthmaster.batch.model.stops import Cause, OwnStop, Stop

EXITED = "EssentialContainerExited"
EXITED_TEXT = "Essential container in task exited"
FAILED = "TaskFailedToStart"
USER = "UserInitiated"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: "
)
INTERFACE = "Unexpected EC2 error while attempting to Create Network Interface"


def exited(code: int | None, container_reason: str = "") -> Stop:
    return Stop(code=EXITED, reason=EXITED_TEXT, exit_code=code, container_reason=container_reason)


def failed(reason: str) -> Stop:
    return Stop(code=FAILED, reason=reason)


EXIT_CODES = [
    (exited(0), Cause.DONE),
    (exited(3), Cause.REJECTED),
    (exited(4), Cause.NOTHING_TO_DO),
    (exited(75), Cause.TRY_LATER),
    (exited(1), Cause.APPLICATION),
    (exited(127), Cause.APPLICATION),
    (exited(139), Cause.APPLICATION),
    (exited(143), Cause.INFRASTRUCTURE),
    (exited(137), Cause.OUT_OF_MEMORY),
    (exited(137, "OutOfMemoryError: Container killed due to memory usage"), Cause.OUT_OF_MEMORY),
    # A child process was killed, and its parent gave up.
    (exited(1, "OutOfMemoryError: container killed due to memory usage"), Cause.OUT_OF_MEMORY),
    (exited(None, "OutOfMemoryError: Container killed due to memory usage"), Cause.OUT_OF_MEMORY),
    (exited(None), Cause.INFRASTRUCTURE),
    (exited(255, "exec /app/run: exec format error"), Cause.CONFIGURATION),
    # Events without a stopCode exist: aws/containers-roadmap 1565.
    (Stop(reason=EXITED_TEXT, exit_code=0), Cause.DONE),
    (Stop(reason=EXITED_TEXT, exit_code=1), Cause.APPLICATION),
    # Nothing says that the container ended by itself.
    (Stop(exit_code=0), Cause.UNKNOWN),
    (Stop(), Cause.UNKNOWN),
    (Stop(code="SomethingNew", reason="Something new.", exit_code=0), Cause.UNKNOWN),
]

STOPPED = [
    (Stop(code="SpotInterruption", reason="Your Spot Task was interrupted.", exit_code=0), Cause.SPOT),
    (Stop(code="TerminationNotice", reason="Your Spot Task was interrupted.", exit_code=143), Cause.SPOT),
    # reproio/wrapbox 53: no code, and the exit code of a handler of SIGTERM.
    (Stop(reason="Your Spot Task was interrupted.", exit_code=2), Cause.SPOT),
    (Stop(code="InfrastructureHealth", reason="", exit_code=137), Cause.INFRASTRUCTURE),
    # aws-solutions/distributed-load-testing-on-aws 82; a handler of SIGTERM that ends with 0 has not done its work.
    (Stop(code=USER, reason="Task stopped by user", exit_code=0), Cause.INFRASTRUCTURE),
    (Stop(code=USER, reason="Task stopped by user", exit_code=143), Cause.INFRASTRUCTURE),
    (Stop(code=USER, reason="timeout", exit_code=143, own=OwnStop.TIMEOUT), Cause.TIMED_OUT),
    (Stop(code=USER, reason="timeout", exit_code=0, own=OwnStop.TIMEOUT), Cause.TIMED_OUT),
    (Stop(code=USER, reason="cancel", exit_code=137, own=OwnStop.CANCEL), Cause.CANCELLED),
    (Stop(code=USER, reason="superseded", own=OwnStop.SUPERSEDED), Cause.CANCELLED),
    (Stop(code=USER, reason="stuck", own=OwnStop.STUCK), Cause.INFRASTRUCTURE),
    (Stop(code=USER, reason="orphan", own=OwnStop.ORPHAN), Cause.CANCELLED),
    # It ended while StopTask was under way.
    (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=0, own=OwnStop.TIMEOUT), Cause.DONE),
    (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=1, own=OwnStop.TIMEOUT), Cause.APPLICATION),
    (Stop(code=EXITED, reason=EXITED_TEXT, exit_code=143, own=OwnStop.TIMEOUT), Cause.TIMED_OUT),
]

NETWORK_INTERFACES = [
    (failed("Timeout waiting for network interface provisioning to complete."), Cause.INFRASTRUCTURE),
    (failed("Timeout waiting for EphemeralStorage provisioning to complete."), Cause.INFRASTRUCTURE),
    (
        failed(f"{INTERFACE} with public IP assignment disabled in subnet 'subnet-0a': AuthFailure"),
        Cause.INFRASTRUCTURE,
    ),
    (failed(f"{INTERFACE} in subnet 'subnet-0a': InsufficientFreeAddressesInSubnet"), Cause.CAPACITY),
    (failed(f"{INTERFACE} in subnet 'subnet-0a': InvalidSubnetID.NotFound"), Cause.CONFIGURATION),
    (failed(f"{INTERFACE} in subnet 'subnet-0a': RequestLimitExceeded"), Cause.INFRASTRUCTURE),
    (failed(f"{INTERFACE} in subnet 'subnet-0a': SomethingNew"), Cause.UNKNOWN),
    (
        failed("Capacity is unavailable at this time. Please try again later or in a different availability zone"),
        Cause.CAPACITY,
    ),
]

PULLS = [
    # aws/containers-roadmap 2687.
    (
        failed(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
            f"{ECR}/ocr:2@sha256:0abc: not found"
        ),
        Cause.CONFIGURATION,
    ),
    # aws-samples/bedrock-access-gateway 114.
    (
        failed(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
            f"{ECR}/ocr:latest: unexpected status from HEAD request to https://{ECR}/v2/ocr/blobs/sha256:5d: 403 Forbidden"
        ),
        Cause.CONFIGURATION,
    ),
    # RafalWilinski/deploy-with-serverless 11: an older platform version says it at the container.
    (
        exited(
            None,
            "CannotPullContainerError: API error (404): repository ocr not found: does not exist or no pull access",
        ),
        Cause.CONFIGURATION,
    ),
    # awslabs/ecs-task-kite 8.
    (
        failed(
            "CannotPullContainerError: Error response from daemon: pull access denied for ocr, repository does not exist "
            "or may require 'docker login'"
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(f"CannotPullContainerError: manifest unknown: Requested image not found: {ECR}/ocr:9"),
        Cause.CONFIGURATION,
    ),
    (failed("CannotPullContainerError: failed to resolve ref: authorization failed"), Cause.CONFIGURATION),
    # The ECS agent's errormessages package; its apostrophes are typographic.
    (
        failed(
            "CannotPullContainerError: The task can\N{RIGHT SINGLE QUOTATION MARK}t pull the image. Check that the role has the permissions to pull images from the registry."
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            "CannotPullContainerError: The task can\N{RIGHT SINGLE QUOTATION MARK}t pull the image. Check whether the image exists."
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            "CannotPullContainerError: The task can\N{RIGHT SINGLE QUOTATION MARK}t pull the image. Check your network configuration."
        ),
        Cause.UNREACHABLE,
    ),
    (
        failed(
            f"CannotPullContainerError: The task cannot pull {ECR}/ocr:2 from the registry {ECR}/ocr:2. There is a connection issue between the task and the registry. Check your task network configuration. : failed to copy: httpReadSeeker"
        ),
        Cause.UNREACHABLE,
    ),
    (
        failed(
            "CannotPullContainerError: API error (500): Get https://registry-1.docker.io/v2/acme/ocr/manifests/1: unauthorized: incorrect username or password"
        ),
        Cause.CONFIGURATION,
    ),
    # aws/containers-roadmap 1120.
    (
        failed("CannotPullContainerError: failed to find a descriptor for platform {linux/amd64}"),
        Cause.CONFIGURATION,
    ),
    (
        failed("CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'"),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            "CannotPullContainerError: ref pull has been retried 1 time(s): no match for platform in manifest: not found"
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed("CannotPullContainerError: write /var/lib/containerd/tmp: no space left on device"),
        Cause.CONFIGURATION,
    ),
    # ActionIQ/terraform-aws-retool-ecs-fargate 20.
    (
        failed(
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref "
            'docker.io/acme/ocr:2: failed to do request: Head "https://registry-1.docker.io/v2/acme/ocr/manifests/2": '
            "dial tcp 192.0.2.154:443: i/o timeout"
        ),
        Cause.UNREACHABLE,
    ),
    # aws/amazon-ecs-agent 1128.
    (
        failed(
            f"CannotPullContainerError: API error (500): Get https://{ECR}/v2/: net/http: request canceled while waiting "
            "for connection (Client.Timeout exceeded while awaiting headers)"
        ),
        Cause.UNREACHABLE,
    ),
    (
        failed(
            "CannotPullContainerError: ref pull has been retried 5 time(s): httpReadSeeker: failed open: unexpected status "
            "code https://registry-1.docker.io/v2/acme/ocr/manifests/sha256:2d: 429 Too Many Requests - Server message: "
            "toomanyrequests: You have reached your pull rate limit"
        ),
        Cause.UNREACHABLE,
    ),
    # dagster-aws retries these.
    (failed(f"CannotPullContainerError: failed to copy: read tcp 192.0.2.4:443: {ECR}: EOF"), Cause.INFRASTRUCTURE),
    (failed("CannotPullContainerError: failed to extract layer: invalid argument"), Cause.INFRASTRUCTURE),
    (
        failed("CannotPullContainerError: unexpected status from HEAD request: 503 Service Unavailable"),
        Cause.INFRASTRUCTURE,
    ),
    # aws/aws-xray-daemon 146, which AWS has cut short.
    (
        failed(
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReaderSeeker: failed open: "
            "unexpected status code https://registry-1.docker.io/v2/amazon/aws-xray-daemon/manifests/sha256:2d964e1..."
        ),
        Cause.UNKNOWN,
    ),
]

INITIALIZATION = [
    # Releem/releem-agent 195.
    (
        failed(
            f"{SECRETS}service call has been retried 5 time(s): failed to fetch secret arn:aws:secretsmanager:x from "
            "secrets manager: RequestCanceled: request context canceled caused by: context deadline exceeded. Please "
            "check your task network configuration."
        ),
        Cause.UNREACHABLE,
    ),
    (
        failed(
            f"{SECRETS}There is a connection issue between the task and AWS Secrets Manager. Check your task network "
            "configuration."
        ),
        Cause.UNREACHABLE,
    ),
    # aws-samples/aws-fargate-pipeline-lambda-autoscaling 3.
    (
        failed(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
            "unable to retrieve ecr registry auth: service call has been retried 1 time(s): RequestError: send request "
            "failed caused by: Post https://api.ecr...."
        ),
        Cause.UNREACHABLE,
    ),
    # aws-samples/keycloak-on-aws 222: cut short before it says why.
    (
        failed(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
            "unable to get registry auth from asm: service call has been retried 5 time(s): asm fetching secret from "
            "the service for ..."
        ),
        Cause.UNREACHABLE,
    ),
    # GiamPy5/terraform-aws-directus 10.
    (
        failed(f"{SECRETS}failed to fetch secret arn:x: AccessDeniedException: Access to KMS is not allowed"),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            f"{SECRETS}AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/ecs/x is not authorized to "
            "perform: secretsmanager:GetSecretValue on resource: arn:x because no identity-based policy allows it"
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(f"{SECRETS}ResourceNotFoundException: Secrets Manager can't find the specified secret."),
        Cause.CONFIGURATION,
    ),
    # rileydakota/valheim-ecs-fargate-cdk 9.
    (failed(f"{SECRETS}invalid character '\\'' looking for beginning of value"), Cause.CONFIGURATION),
    (failed(f"{SECRETS}ThrottlingException: Rate exceeded"), Cause.INFRASTRUCTURE),
    (
        failed(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
            "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."
        ),
        Cause.CONFIGURATION,
    ),
    # TechToSpeech/terraform-aws-serverless-static-wordpress 74.
    (
        failed(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
            "to create Cloudwatch log stream: MissingEndpoint: 'Endpoint' configuration is required for this service"
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch log "
            "group defined in the task definition. There is a connection issue between the task and Amazon CloudWatch. "
            "Check your network configuration."
        ),
        Cause.UNREACHABLE,
    ),
    (
        failed(
            "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed to create Cloudwatch log stream: RequestError: send request failed caused by: Post https://logs.eu-west-1.amazonaws.com/: dial tcp 192.0.2.7:443: i/o timeout"
        ),
        Cause.UNREACHABLE,
    ),
    # The ECS agent's asm package.
    (
        failed(
            "ResourceInitializationError: The task can't retrieve the secret with ARN 'arn:x' from AWS Secrets Manager. Check that the secret ARN is correct. ResourceNotFoundException: Secrets Manager can't find the specified secret."
        ),
        Cause.CONFIGURATION,
    ),
    # prakhar1989/docker-curriculum 260.
    (
        exited(
            None,
            "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed to "
            "create Cloudwatch log group: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/ecs",
        ),
        Cause.CONFIGURATION,
    ),
    # docker-archive/compose-cli 1490, acp-io/terraform-grafana 4, aws/copilot-cli 5419.
    (
        failed(
            "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: mount.nfs4: "
            "Connection reset by peer : unsuccessful EFS utils command execution; code: 32"
        ),
        Cause.INFRASTRUCTURE,
    ),
    (
        failed(
            "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "
            "b'mount.nfs4: mounting fs-0a.efs.eu-west-1.amazonaws.com:/ocr failed, reason given by server: No such file or "
            "directory' : unsuccessful EFS utils command execution; code: 32"
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: Failed to "
            'resolve "fs-0a.efs.eu-west-1.amazonaws.com" - check that your file system ID is correct'
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed("ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: ..."),
        Cause.UNREACHABLE,
    ),
    # aws/amazon-ecs-agent 2954 and 3526.
    (
        failed(
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI "
            "runtime create failed: container_linux.go:370: starting container process caused: exec: "
            '"/opt/ocr/run.sh": stat /opt/ocr/run.sh: no such file or directory'
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed(
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed "
            "to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error "
            "during container init: error creating device nodes: mknod dev/null: errno 524: unknown"
        ),
        Cause.UNKNOWN,
    ),
    # boto/boto3 1878.
    (
        failed(
            "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/ocr' that was provided for this task. "
            "Please verify that the role being passed has the proper trust relationship and permissions and that your IAM "
            "user has permissions to pass this role."
        ),
        Cause.CONFIGURATION,
    ),
    (
        failed("DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"),
        Cause.INFRASTRUCTURE,
    ),
    (failed("Task failed to start"), Cause.UNKNOWN),
]

VECTORS = [*EXIT_CODES, *STOPPED, *NETWORK_INTERFACES, *PULLS, *INITIALIZATION]
