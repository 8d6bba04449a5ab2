"""The usual way to remove unused rules: when each was used last, from flow logs; what was not for 30 days is revoked.

It does what aws-samples/stale-securitygroup-rule-analysis-with-serverless-architecture does, and better in several
points: it compares addresses with CIDRs, counts only what was accepted, looks at all groups of an interface, and lists
rules that were never used. As there, responses count as use, interfaces are those of now, and whoever is in the network
may be the member of a group.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from ipaddress import ip_address, ip_network
from typing import Any

import boto3

STATE = "usage.json"
PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp"}


def handler(_event: dict[str, Any], _context: object) -> None:
    """Read the files that are new, note which rules they show, and revoke what was not used for long."""
    s3, ec2 = boto3.client("s3"), boto3.client("ec2")
    bucket, days = os.environ["LOG_BUCKET"], int(os.environ["DAYS"])
    state = _state(s3, bucket)
    rules: list[Any] = [
        one
        for page in ec2.get_paginator("describe_security_group_rules").paginate()
        for one in page["SecurityGroupRules"]
    ]
    interfaces = {
        one["NetworkInterfaceId"]: {group["GroupId"] for group in one["Groups"]}
        for page in ec2.get_paginator("describe_network_interfaces").paginate()
        for one in page["NetworkInterfaces"]
    }
    for rule in rules:
        state["used"].setdefault(rule["SecurityGroupRuleId"], time.time())
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="AWSLogs/", StartAfter=state["read"]
    ):
        for item in page.get("Contents", []):
            body = gzip.decompress(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()).decode()
            _note_use(body, rules, interfaces, state["used"])
            state["read"] = item["Key"]
    s3.put_object(Bucket=bucket, Key=STATE, Body=json.dumps(state))
    carried = set().union(*interfaces.values())
    for rule in rules:
        if (
            rule["GroupId"] in carried
            and state["used"][rule["SecurityGroupRuleId"]] < time.time() - days * 86_400 + 3600
        ):
            revoke = ec2.revoke_security_group_egress if rule["IsEgress"] else ec2.revoke_security_group_ingress
            revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])


def _state(s3: Any, bucket: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=STATE)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return {"used": {}, "read": ""}
    return found


def _note_use(body: str, rules: list[Any], interfaces: dict[str, set[str]], used: dict[str, float]) -> None:
    header, *lines = body.splitlines()
    names = {name: index for index, name in enumerate(header.split())}
    for line in lines:
        record = line.split()
        if record[names["action"]] != "ACCEPT":
            continue
        is_egress = record[names["flow-direction"]] == "egress"
        peer = ip_address(record[names["pkt-dstaddr" if is_egress else "pkt-srcaddr"]])
        for rule in rules:
            if (
                rule["GroupId"] in interfaces.get(record[names["interface-id"]], ())
                and rule["IsEgress"] is is_egress
                and rule["IpProtocol"] in ("-1", PROTOCOLS.get(record[names["protocol"]]))
                and (rule["IpProtocol"] == "-1" or rule["FromPort"] <= int(record[names["dstport"]]) <= rule["ToPort"])
                and (peer in ip_network(rule["CidrIpv4"]) if "CidrIpv4" in rule else peer.is_private)
            ):
                used[rule["SecurityGroupRuleId"]] = max(used[rule["SecurityGroupRuleId"]], float(record[names["end"]]))
