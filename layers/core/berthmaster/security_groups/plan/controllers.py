"""Controllers that make rules by themselves, and would make them again: known by tags, names and descriptions."""

from collections.abc import Iterable

from berthmaster.security_groups.model.rules import Group, Rule

# Keys of tags, or how they begin: documentation of the Load Balancer Controller, of Kubernetes' cloud provider, of EKS,
# of EMR's managed groups, and of Directory Service.
_TAGS = (
    ("elbv2.k8s.aws/", "AWS Load Balancer Controller"),
    ("ingress.k8s.aws/", "AWS Load Balancer Controller"),
    ("service.k8s.aws/", "AWS Load Balancer Controller"),
    ("kubernetes.io/cluster/", "Kubernetes"),
    ("aws:eks:", "Amazon EKS"),
    ("aws:elasticmapreduce:", "Amazon EMR"),
    ("for-use-with-amazon-emr-managed-policies", "Amazon EMR"),
    ("FMManaged", "AWS Firewall Manager"),
)
_NAMES = (
    ("eks-cluster-sg-", "Amazon EKS"),
    ("k8s-elb-", "Kubernetes"),
    ("ElasticMapReduce-", "Amazon EMR"),
    ("FMManagedSecurityGroup", "AWS Firewall Manager"),
    ("aws-cloud9-", "AWS Cloud9"),
)
_DIRECTORY = ("d-", "_controllers")
_DESCRIPTIONS = (
    ("elbv2.k8s.aws/", "AWS Load Balancer Controller"),
    ("kubernetes.io/rule/", "Kubernetes"),
    ("FMManagedSecurityGroup", "AWS Firewall Manager"),
)


def controller_of(rule: Rule, group: Group | None) -> str:
    """Which controller makes a rule, or all rules of its group; empty if none is known to."""
    tags = (*rule.tags, *(group.tags if group else ()))
    name, descriptions = (group.name, (rule.description, group.description)) if group else ("", (rule.description,))
    found = [
        *_named((key for key, _ in tags), _TAGS),
        *_named([name], _NAMES),
        *_named(descriptions, _DESCRIPTIONS),
        *(["AWS Directory Service"] if name.startswith(_DIRECTORY[0]) and name.endswith(_DIRECTORY[1]) else ()),
    ]
    return found[0] if found else ""


def _named(texts: Iterable[str], beginnings: Iterable[tuple[str, str]]) -> list[str]:
    return [controller for text in texts for beginning, controller in beginnings if text.startswith(beginning)]
