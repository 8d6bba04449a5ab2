"""Parameter Store sends an event for each change of a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from simulator.cloud import Cloud

ARN = "arn:aws:ssm:eu-central-1:123456789012:parameter"


def test_every_change_sends_an_event(cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    common = {"Name": "/berthmaster/batch/scans", "Type": "String"}
    assert ssm.put_parameter(**common, Value="1", Description="scans")["Version"] == 1
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        ssm.put_parameter(**common, Value="2")
    assert ssm.put_parameter(Name=common["Name"], Value="2", Overwrite=True)["Version"] == 2
    with pytest.raises(ClientError, match="4096 characters"):
        ssm.put_parameter(Name=common["Name"], Value="x" * 4097, Overwrite=True)
    ssm.put_parameter(Name="plain", Type="SecureString", Value="x")
    assert ssm.get_parameter(Name=common["Name"])["Parameter"]["Version"] == 2
    found = ssm.get_parameters_by_path(Path="/berthmaster/batch")["Parameters"]
    assert [(one["Name"], one["Value"], one["Version"]) for one in found] == [("/berthmaster/batch/scans", "2", 2)]
    ssm.delete_parameter(Name=common["Name"])
    with pytest.raises(ClientError, match="ParameterNotFound"):
        ssm.delete_parameter(Name=common["Name"])
    assert ssm.delete_parameters(Names=["plain", "gone"])["InvalidParameters"] == ["gone"]
    assert not cloud.buses.seen
    cloud.clock.run_until(cloud.clock.timestamp() + 2)
    events = [seen.event for seen in cloud.buses.seen]
    assert {event["source"] for event in events} == {"aws.ssm"}
    assert {event["detail-type"] for event in events} == {"Parameter Store Change"}
    scans = {"name": "/berthmaster/batch/scans", "type": "String", "description": "scans"}
    plain = {"name": "plain", "type": "SecureString"}
    by_operation = {(event["resources"][0], event["detail"]["operation"]): event["detail"] for event in events}
    assert len(events) == 5
    assert by_operation == {
        (f"{ARN}/berthmaster/batch/scans", "Create"): {"operation": "Create", **scans},
        (f"{ARN}/berthmaster/batch/scans", "Update"): {"operation": "Update", **scans},
        (f"{ARN}/berthmaster/batch/scans", "Delete"): {"operation": "Delete", **scans},
        (f"{ARN}/plain", "Create"): {"operation": "Create", **plain},
        (f"{ARN}/plain", "Delete"): {"operation": "Delete", **plain},
    }
