"""Surveys and sightings of a simulated account, recorded in a bucket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.settings import SurveySettings
from berthmaster.security_groups.survey import Survey
from simulator.cloud import Cloud

TABLE, BUCKET, TOPIC = "ledger", "evidence", "arn:aws:sns:eu-central-1:123456789012:people"
LOGS = "arn:aws:s3:::logs"
EVERY = 300


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1) as cloud:
        cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        cloud.client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        cloud.client("sns").create_topic(Name="people")
        yield cloud


def survey() -> Survey:
    settings = SurveySettings(
        security_groups_mode=Mode.OBSERVE,
        evidence_bucket=BUCKET,
        security_groups_table=TABLE,
        flow_log_buckets=(LOGS,),
        event_bus="default",
        topic_arn=TOPIC,
    )
    return Survey(settings, Clients(), Clock())


def load(cloud: Cloud, since: float = -86_400) -> Topology:
    now = cloud.clock.now()
    return TopologyStore(cloud.client("s3"), BUCKET).load(now + timedelta(seconds=since), now)


@pytest.fixture
def network(cloud: Cloud) -> dict[str, Any]:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    rule = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    eni = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    return {"vpc": vpc, "subnet": subnet, "group": group, "rule": rule, "eni": eni["NetworkInterfaceId"]}


def test_what_comes_and_goes_between_surveys_has_its_time(cloud: Cloud, network: dict[str, Any]) -> None:
    ec2, begin = cloud.client("ec2"), cloud.clock.timestamp()
    short_lived = ec2.create_security_group(GroupName="a", Description="a", VpcId=network["vpc"])["GroupId"]
    one = survey()
    one.run()
    ec2.delete_security_group(GroupId=short_lived)
    cloud.clock.advance(EVERY)
    one.run()
    changed = cloud.clock.timestamp()
    ec2.delete_network_interface(NetworkInterfaceId=network["eni"])
    ec2.revoke_security_group_ingress(GroupId=network["group"], SecurityGroupRuleIds=[network["rule"]])
    cloud.clock.advance(EVERY)
    survey().run()  # another container
    end = cloud.clock.timestamp()

    topology = load(cloud)
    for spans in (topology.interfaces[network["eni"]], topology.rules[network["rule"]]):
        (span,) = spans
        assert begin <= span.since < begin + 10
        assert changed < span.until <= end
        assert span.is_sure(begin + 10, changed - 10)
    assert topology.groups[network["group"]].name == "web"
    assert topology.deleted_groups == {short_lived}
    assert topology.interfaces[network["eni"]][0].value.groups == (network["group"],)
    assert [str(one) for one in topology.vpcs[network["vpc"]].cidrs] == ["10.0.0.0/16"]
    store = TopologyStore(cloud.client("s3"), BUCKET)
    assert store.reaches(cloud.clock.now()) == end
