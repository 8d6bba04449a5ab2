"""What the company has besides, for Berthmaster to change or to leave alone."""

from random import Random

from berthmaster.security_groups.model.tags import KEEP, MANAGED, TAG
from tests.simulation.security_groups.company import (
    ANY,
    ANYWHERE,
    ICMP,
    IDLE,
    INSIDE,
    TCP,
    UDP,
    Company,
    Wanted,
    a_group,
    an_interface,
)

STACK, TERRAFORM, CONTROLLED, FOREIGN, MANY, GUEST = "stack", "terraform", "pods", "foreign", "many", "guest"
PLACES = (STACK, TERRAFORM, CONTROLLED, FOREIGN, MANY)
"""Groups of one interface, the attic."""
TAGS = {
    STACK: {"aws:cloudformation:stack-name": "shop"},
    TERRAFORM: {"terraform": "yes"},
    CONTROLLED: {"elbv2.k8s.aws/cluster": "prod"},
}
IAC_TAGS = "terraform"
UNMANAGED = (FOREIGN, GUEST, "nodes")
SHARED = "elbv2.k8s.aws/targetGroupBinding=shared"
"""How the AWS Load Balancer Controller describes its rules in groups of others."""
ATTIC_PORT = 7100


def _in(group: str, first: int, last: int, peer: str, protocol: int = TCP) -> Wanted:
    return Wanted(group, "ingress", protocol, (first, last), peer)


NEVER = (
    *(_in(name, 7000, 7010, "10.7.0.0/16") for name in (STACK, TERRAFORM, CONTROLLED, FOREIGN)),
    *(_in("web", 9000, 9000, INSIDE), _in("web", 9001, 9001, INSIDE)),
)
"""Useless, and never to be changed: of infrastructure as code, controllers, groups that are not managed, and kept."""
KEPT, OF_A_CONTROLLER = NEVER[-2:]
USELESS = (
    *(_in(name, 6515, 6515, peer) for name in ("syslog", "cache", "web") for peer in (INSIDE, "10.0.77.0/24")),
    *(_in(MANY, 7001, 7001, peer) for peer in ("198.18.40.0/24", "2001:4860:4860::/48", "monitor", "partners")),
    *(_in(MANY, 7003, 7003, f"198.18.6{number}.0/24") for number in range(4)),
    *(_in(MANY, 8, -1, "10.9.0.0/16", ICMP), _in(MANY, 7001, 7002, INSIDE, UDP)),
    Wanted(MANY, "ingress", ANY, (0, 65535), "198.18.50.0/24"),
)
COVERED = _in("syslog", 514, 514, "10.0.0.0/26", UDP)
"""Used, and another rule allows all of it."""
USED = (
    *(_in(name, ATTIC_PORT, ATTIC_PORT, "monitor") for name in PLACES),
    Wanted("monitor", "egress", TCP, (ATTIC_PORT, ATTIC_PORT), INSIDE),
    Wanted(GUEST, "egress", ANY, (0, 65535), ANYWHERE),
    COVERED,
)
DESCRIPTIONS = ("", "", "red", "green: (a+b)", "#7 [old]; {x}")
ALL_IDLE = (*IDLE, *USELESS)


def furnish(company: Company, random: Random) -> None:
    """Make groups and rules, tag what is managed, and describe the rules that nobody uses."""
    cloud, ec2 = company.cloud, company.cloud.client("ec2")
    for name in (*PLACES, GUEST):
        company.groups[name] = a_group(cloud, company.network.vpc_id, name)
    home = list(company.network.subnets)[3]
    company.interfaces["attic"] = an_interface(cloud, home, *(company.groups[name] for name in PLACES))
    for name, group in company.groups.items():
        # Only AWS gives tags that begin with aws:, so moto's are written.
        cloud.backend("ec2").tags[group].update(TAGS.get(name, {}))
        if name not in UNMANAGED:
            ec2.create_tags(Resources=[group], Tags=[{"Key": TAG, "Value": MANAGED}])
    for wanted in (*NEVER, *USELESS, *USED):
        company.authorize(wanted, SHARED if wanted is OF_A_CONTROLLER else random.choice(DESCRIPTIONS), _tags(random))
    for rule, wanted in company.rules.items():
        if wanted is KEPT:
            ec2.create_tags(Resources=[rule], Tags=[{"Key": KEEP, "Value": "until the audit"}])


def visit_the_attic(company: Company) -> None:
    """What is used of its groups."""
    company.traffic.connect(company.interfaces["monitor"], company.interfaces["attic"], ATTIC_PORT)


def _tags(random: Random) -> dict[str, str]:
    return random.choice(({}, {}, {"ticket": "NET-7"}, {"ticket": "NET-8", "owner": "ann"}))
