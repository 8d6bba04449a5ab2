"""Who uses an interface, recognised by what EC2 returns about it."""

from typing import Any

import pytest

from berthmaster import interface_services as services
from berthmaster.capacity.observe import holders
from tests.support.capacity.interfaces import interface


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            {
                "Description": "arn:aws:ecs:eu-central-1:111122223333:attachment/0a1b2c3d-1111-2222-3333-444455556666",
                "RequesterId": "578734482556",
                "RequesterManaged": True,
            },
            services.ECS_TASKS,
        ),
        (
            {
                "Description": "arn:aws-cn:ecs:cn-north-1:111122223333:attachment/0a1b2c3d",
                "InterfaceType": "branch",
                "RequesterManaged": True,
            },
            services.ECS_TASKS,
        ),
        (
            {"Description": "aws-K8S-i-0ad23684d897727a0", "Attachment": {"InstanceId": "i-1"}},
            services.EKS_PODS_AND_NODES,
        ),
        ({"Description": "aws-k8s-branch-eni", "InterfaceType": "branch"}, services.EKS_PODS_AND_NODES),
        ({"Description": "Amazon EKS production", "RequesterManaged": True}, services.EKS_CONTROL_PLANE),
        (
            {"TagSet": [{"Key": "eks:kubernetes-cni-node-name", "Value": "i-1"}], "Attachment": {"InstanceId": "i-1"}},
            services.EKS_PODS_AND_NODES,
        ),
        (
            {
                "InterfaceType": "lambda",
                "Description": "AWS Lambda VPC ENI-orders-30bb1fd5-e726-4d80-9ff2-52fd62cd548c",
                "RequesterManaged": True,
            },
            services.LAMBDA,
        ),
        (
            {"RequesterId": "amazon-elb", "Description": "ELB app/web/50dc6c495c0c9188", "RequesterManaged": True},
            services.LOAD_BALANCERS,
        ),
        ({"InterfaceType": "network_load_balancer", "Description": "ELB net/tcp/1"}, services.LOAD_BALANCERS),
        ({"InterfaceType": "nat_gateway", "Description": "Interface for NAT Gateway nat-01"}, services.NAT_GATEWAYS),
        ({"InterfaceType": "vpc_endpoint", "RequesterManaged": True}, services.VPC_ENDPOINTS),
        ({"InterfaceType": "gateway_load_balancer_endpoint"}, services.VPC_ENDPOINTS),
        (
            {"Description": "Network Interface for Transit Gateway Attachment tgw-attach-1", "RequesterManaged": True},
            services.TRANSIT_GATEWAYS,
        ),
        ({"Description": "RDSNetworkInterface", "RequesterManaged": True}, services.RDS),
        ({"RequesterId": "amazon-rds", "Description": "", "RequesterManaged": True}, services.RDS),
        ({"Description": "EFS mount target for fs-1 (fsmt-2)", "RequesterManaged": True}, "EFS"),
        ({"Description": "ElastiCache web-001", "RequesterManaged": True}, services.ELASTICACHE),
        ({"Attachment": {"InstanceId": "i-1"}}, services.EC2_INSTANCES),
        ({"InterfaceType": "efa", "Attachment": {"InstanceId": "i-1"}}, services.EC2_INSTANCES),
        ({"Status": "available", "Description": "aws-K8S-i-0ad23684d897727a0"}, holders.DETACHED),
        ({"Status": "available", "InterfaceType": "lambda", "RequesterManaged": True}, services.LAMBDA),
        ({"Status": "available", "TagSet": [{"Key": "berthmaster:expansion", "Value": "x"}]}, holders.CANARIES),
        ({"RequesterManaged": True, "Description": "something new"}, holders.OTHER_AWS_SERVICES),
        ({}, holders.OTHER),
    ],
)
def test_the_user_of_an_interface_is_recognised(shape: dict[str, Any], expected: str) -> None:
    assert holders.holder_of(interface("10.0.0.20") | shape) == expected
