"""CreateFlowLogs, DescribeFlowLogs and DeleteFlowLogs, with formats, options and statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.aws.ec2.filters import select
from simulator.aws.ec2.flow_logs import fields
from simulator.aws.ec2.flow_logs.delivery import FlowLogs
from simulator.aws.ec2.flow_logs.flow_log import FlowLog
from simulator.aws.ec2.lookup import tag_list, tags_of
from simulator.aws.s3.buckets import backend
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Parsed

AGGREGATIONS = (60, 600)
DESCRIBED = (
    *("LogGroupName", "DeliverLogsPermissionArn", "DeliverCrossAccountRole", "LogDestination", "LogDestinationType"),
    *("DestinationOptions", "TagFieldSpecifications"),
)
FILTERS = {
    "deliver-log-status": lambda log: ["FAILED" if log.failure else "SUCCESS"],
    "log-destination-type": lambda log: [log.described["LogDestinationType"]],
    "flow-log-id": lambda log: [log.id],
    "log-group-name": lambda log: [log.described.get("LogGroupName", "")],
    "resource-id": lambda log: [log.resource],
    "traffic-type": lambda log: [log.traffic_type],
}


def create_flow_logs(account: Account, params: Params) -> Parsed:
    """CreateFlowLogs: one for each resource, as far as its destination is there."""
    aggregation = params.get("MaxAggregationInterval", 600)
    if aggregation not in AGGREGATIONS:
        raise AwsError("InvalidParameter", "Invalid Flow Log Max Aggregation Interval")
    names = fields.named(params["LogFormat"]) if "LogFormat" in params else fields.DEFAULT
    if unknown := fields.unknown(names):
        # The text is not documented.
        raise AwsError("InvalidParameter", f"LogFormat has unknown fields: {', '.join(unknown)}")
    kind = params.get("LogDestinationType", "cloud-watch-logs")
    if "LogDestination" not in params and "LogGroupName" not in params:
        raise AwsError("InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided.")
    for resource in params["ResourceIds"]:
        _check_resource(account, params["ResourceType"], resource)
    stop_dry_run(params)
    made, failed = [], []
    for resource in params["ResourceIds"]:
        bucket, prefix = _bucket(params)
        if kind == "s3" and bucket not in backend(account).buckets:
            message = f"LogDestination: {bucket} does not exist."
            failed.append({"ResourceId": resource, "Error": {"Code": "400", "Message": message}})
            continue
        options = params.get("DestinationOptions", {})
        log = FlowLog(
            id=f"fl-{mock_random.getrandbits(68):017x}",
            resource=resource,
            traffic_type=params.get("TrafficType", "ALL"),
            aggregation=aggregation,
            names=names,
            bucket=bucket,
            prefix=prefix,
            is_parquet=options.get("FileFormat") == "parquet",
            is_hive=options.get("HiveCompatiblePartitions", False),
            is_hourly=options.get("PerHourPartition", False),
            created=account.clock.now(),
            described={name: params[name] for name in DESCRIBED if name in params} | {"LogDestinationType": kind},
        )
        _refuse_twins(account, log)
        account.state(FlowLogs).add(log)
        tags = {tag["Key"]: tag["Value"] for item in params.get("TagSpecifications", []) for tag in item["Tags"]}
        account.backend("ec2").create_tags([log.id], tags)
        made.append(log.id)
    return {"ClientToken": params.get("ClientToken", ""), "FlowLogIds": made, "Unsuccessful": failed}


def describe_flow_logs(account: Account, params: Params) -> Parsed:
    """DescribeFlowLogs."""
    wanted = params.get("FlowLogIds", [])
    logs = [log for log in account.state(FlowLogs).values() if not wanted or log.id in wanted]
    chosen = select(logs, params.get("Filter", []), FILTERS, lambda log: tags_of(account, log.id))
    return {"FlowLogs": [_described(account, log) for log in chosen]}


def delete_flow_logs(account: Account, params: Params) -> Parsed:
    """DeleteFlowLogs: those that are there."""
    logs = account.state(FlowLogs)
    stop_dry_run(params)
    failed: list[dict[str, Any]] = []
    for log_id in params["FlowLogIds"]:
        if log_id in logs:
            logs.remove(log_id)
        else:
            code, message = "InvalidFlowLogId.NotFound", f"The specified flow log ID '{log_id}' does not exist."
            failed.append({"ResourceId": log_id, "Error": {"Code": code, "Message": message}})
    return {"Unsuccessful": failed}


def _check_resource(account: Account, kind: str, resource: str) -> None:
    ec2 = account.backend("ec2")
    {"VPC": ec2.get_vpc, "Subnet": ec2.get_subnet, "NetworkInterface": ec2.get_network_interface}[kind](resource)


def _bucket(params: Params) -> tuple[str, str]:
    """Bucket and prefix of a destination, or nothing: `arn:aws:s3:::logs/prefix/`."""
    if params.get("LogDestinationType") != "s3":
        return "", ""
    bucket, _, prefix = params["LogDestination"].split(":", 5)[5].partition("/")
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _refuse_twins(account: Account, log: FlowLog) -> None:
    def destination(one: FlowLog) -> tuple[Any, ...]:
        described = one.described
        return one.resource, described.get("LogDestination"), described.get("LogGroupName"), one.traffic_type, one.names

    if any(destination(other) == destination(log) for other in account.state(FlowLogs).values()):
        message = "Error. There is an existing Flow Log with the same configuration and log destination."
        raise AwsError("FlowLogAlreadyExists", message)


def _described(account: Account, log: FlowLog) -> Parsed:
    status = {"DeliverLogsStatus": "SUCCESS"}
    if log.failure:
        status = {"DeliverLogsStatus": "FAILED", "DeliverLogsErrorMessage": log.failure}
    return {
        "CreationTime": log.created,
        "FlowLogId": log.id,
        "FlowLogStatus": "ACTIVE",
        "ResourceId": log.resource,
        "TrafficType": log.traffic_type,
        "LogFormat": fields.log_format(log.names),
        "MaxAggregationInterval": log.aggregation,
        "Tags": tag_list(account, log.id),
        **log.described,
        **status,
    }


HANDLERS: Handlers = {
    "ec2:CreateFlowLogs": create_flow_logs,
    "ec2:DescribeFlowLogs": describe_flow_logs,
    "ec2:DeleteFlowLogs": delete_flow_logs,
}
