"""docs/restore.jq, by which rules are restored without Berthmaster: the commands hold each rule as it was."""

import json
import shlex
import shutil
import subprocess
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import RemovalState
from berthmaster.security_groups.model.rules import (
    ANY,
    ICMP,
    TCP,
    Direction,
    GroupReference,
    PrefixListReference,
    Rule,
)
from simulator.template_contract.application import ROOT
from tests.support.security_groups.example import removal

if TYPE_CHECKING:
    from pathlib import Path

JQ = shutil.which("jq")
RULE = Rule(
    id="sgr-0a",
    group="sg-0a",
    direction=Direction.INGRESS,
    protocol=TCP,
    ports=(443, 444),
    peer=ip_network("10.0.0.0/8"),
    description="it's Bob's $HOME",
    tags=(("team", "web"), ("aws:cloudformation:stack-name", "web")),
)
PEERED = GroupReference("sg-0b", owner="999999999999", vpc="vpc-2", peering="pcx-1", peering_status="active")


class Written:
    """A table that only takes items."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def put_item(self, *, Item: Any, **_: Any) -> None:  # noqa: N803 - as boto3 names it
        self.bodies.append(Item["body"]["S"])


def commands(rules: list[Rule], there: list[str], folder: "Path", state: RemovalState) -> list[list[str]]:
    """Those that jq prints, as a shell reads them."""
    table: Any = Written()
    for rule in rules:
        Removals(table, "ledger").save(removal(rule, state))
    (folder / "there.json").write_text(json.dumps(there))
    (folder / "removals.json").write_text(json.dumps(table.bodies))
    given = ["--slurpfile", "there", str(folder / "there.json"), "-f", str(ROOT / "docs/restore.jq")]
    assert JQ
    done = subprocess.run(  # noqa: S603 - jq with files that were just written
        [JQ, "-r", *given, str(folder / "removals.json")], check=True, capture_output=True, text=True
    )
    return [shlex.split(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(not JQ, reason="needs jq")
@pytest.mark.parametrize(
    ("rule", "modified", "permitted"),
    [
        pytest.param(RULE, {"CidrIpv4": "10.0.0.0/8"}, {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}, id="IPv4"),
        pytest.param(
            replace(RULE, peer=ip_network("2001:db8::/32"), direction=Direction.EGRESS),
            {"CidrIpv6": "2001:db8::/32"},
            {"Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
            id="IPv6",
        ),
        pytest.param(
            replace(RULE, peer=PEERED),
            {"ReferencedGroupId": "sg-0b"},
            {"UserIdGroupPairs": [{"GroupId": "sg-0b", "UserId": "999999999999", "VpcPeeringConnectionId": "pcx-1"}]},
            id="group of a peered VPC",
        ),
        pytest.param(
            replace(RULE, peer=PrefixListReference("pl-1"), tags=()),
            {"PrefixListId": "pl-1"},
            {"PrefixListIds": [{"PrefixListId": "pl-1"}]},
            id="prefix list",
        ),
    ],
)
def test_a_rule_gets_its_peer_back_or_is_made_again(
    rule: Rule, modified: dict[str, str], permitted: dict[str, list[dict[str, str]]], tmp_path: "Path"
) -> None:
    ports = {"IpProtocol": "6", "FromPort": 443, "ToPort": 444}
    (there,) = commands([rule], ["sgr-0f", "sgr-0a"], tmp_path, RemovalState.QUARANTINED)
    assert there[:6] == ["aws", "ec2", "modify-security-group-rules", "--group-id", "sg-0a", "--security-group-rules"]
    assert json.loads(there[6]) == [
        {"SecurityGroupRuleId": "sgr-0a", "SecurityGroupRule": ports | modified | {"Description": rule.description}}
    ]
    (gone,) = commands([rule], ["sgr-0f"], tmp_path, RemovalState.REVOKED)
    assert gone[:6] == [
        "aws",
        "ec2",
        f"authorize-security-group-{rule.direction}",
        "--group-id",
        "sg-0a",
        "--ip-permissions",
    ]
    ((kind, (peer,)),) = permitted.items()
    assert json.loads(gone[6]) == [ports | {kind: [peer | {"Description": rule.description}]}]
    given: list[Any] = gone[7:]
    if not rule.tags:
        assert given == []
        return
    assert given[0] == "--tag-specifications"
    assert json.loads(given[1]) == [{"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "web"}]}]


@pytest.mark.skipif(not JQ, reason="needs jq")
def test_protocols_without_ports_and_rules_that_were_never_changed(tmp_path: "Path") -> None:
    ping = replace(RULE, protocol=ICMP, ports=(0, 65535), icmp=(8, ANY))
    everything = replace(RULE, protocol=ANY, ports=(0, 65535))
    found = [json.loads(one[6])[0] for one in commands([ping, everything], [], tmp_path, RemovalState.CLOSED)]
    assert [(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in found] == [("1", 8, -1), ("-1", -1, -1)]
    for state in (RemovalState.ANNOUNCED, RemovalState.PROPOSED, RemovalState.WITHDRAWN, RemovalState.RESTORED):
        assert commands([RULE], [], tmp_path, state) == []
