"""Surveys and sightings of a simulated account, recorded in a bucket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.rules import PrefixList
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.settings import SurveySettings
from berthmaster.security_groups.survey import Survey
from simulator.cloud import Cloud
from simulator.errors import AwsError

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


def test_prefix_lists_are_read_when_their_version_changes_and_left_out_if_they_may_not_be_read(
    cloud: Cloud, network: dict[str, Any]
) -> None:
    ec2 = cloud.client("ec2")
    lists = [
        ec2.create_managed_prefix_list(
            PrefixListName=name, MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24"}]
        )["PrefixList"]["PrefixListId"]
        for name in ("office", "secret")
    ]
    references = [{"PrefixListId": one} for one in lists]
    ec2.authorize_security_group_egress(
        GroupId=network["group"], IpPermissions=[{"IpProtocol": "-1", "PrefixListIds": references}]
    )
    kept = cloud.handlers["ec2:GetManagedPrefixListEntries"]

    def guarded(account: Any, params: Any) -> Any:
        if params["PrefixListId"] == lists[1]:
            raise AwsError("UnauthorizedOperation", "no", status=403)
        return kept(account, params)

    cloud.handlers["ec2:GetManagedPrefixListEntries"] = guarded
    reader = TopologyReader(Clients().ec2, Clock())
    first = reader.everything({})
    before = len(cloud.calls)
    assert reader.everything(first.seen).seen == first.seen
    entries = [one.params["PrefixListId"] for one in cloud.calls.since(before) if "Entries" in one.name]
    assert entries == [lists[1]]
    assert lists[0] in first.seen
    assert lists[1] not in first.seen
    ec2.modify_managed_prefix_list(PrefixListId=lists[0], CurrentVersion=1, AddEntries=[{"Cidr": "198.51.100.0/24"}])
    found = reader.everything(first.seen).seen[lists[0]]
    assert isinstance(found, PrefixList)
    assert (found.version, len(found.entries)) == (2, 2)


def test_interfaces_that_an_account_hides_are_asked_for(cloud: Cloud, network: dict[str, Any]) -> None:
    TopologyReader(Clients().ec2, Clock()).everything({})
    (call,) = [one for one in cloud.calls if one.name == "ec2:DescribeNetworkInterfaces"]
    assert call.params["IncludeManagedResources"] is True
    assert network["eni"]


def test_a_damaged_object_is_left_out_and_the_next_survey_records_everything(
    cloud: Cloud, network: dict[str, Any]
) -> None:
    one = survey()
    one.run()
    cloud.clock.advance(EVERY)
    one.run()
    s3 = cloud.client("s3")
    names = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    s3.put_object(Bucket=BUCKET, Key=names[0], Body=b"\x1f\x8b broken")
    assert load(cloud).interfaces == {}
    cloud.clock.advance(EVERY)
    survey().run()
    assert list(load(cloud).interfaces) == [network["eni"]]
