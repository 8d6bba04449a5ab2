"""ARNs are taken apart as AWS writes them."""

import pytest

from berthmaster.arn import Arn

TASK = "arn:aws:ecs:eu-central-1:123456789012:task/web/0a1b"
GROUP = "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:targetgroup/shop/6d0ecf831eec9f09"
ROLE = "arn:aws:iam::123456789012:role/service/runner"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:queue"
ALARM = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:cpu:high"


@pytest.mark.parametrize("text", [TASK, GROUP, ROLE, QUEUE, ALARM])
def test_the_parts_make_the_arn_again(text: str) -> None:
    assert str(Arn.parse(text)) == text


def test_each_part_has_its_name() -> None:
    arn = Arn.parse(TASK)
    assert (arn.partition, arn.service, arn.region, arn.account) == ("aws", "ecs", "eu-central-1", "123456789012")
    assert arn.path == ("task", "web", "0a1b")
    assert arn.name == "0a1b"
    assert Arn.parse(ROLE).region == ""
    assert Arn.parse(ALARM).resource == "alarm:cpu:high"


@pytest.mark.parametrize("text", ["", "arn:aws:ecs", "urn:aws:ecs:eu-central-1:123456789012:task/web/0a1b"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ARN"):
        Arn.parse(text)
