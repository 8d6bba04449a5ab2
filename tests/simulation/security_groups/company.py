"""A company: services that talk to each other, jobs by the month and the quarter, scanners, people who edit rules.

Its VPC logs all traffic. Everything happens on the virtual clock, by seed; time is scaled, so that a few days hold some
months and a quarter.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from simulator.aws.ec2.flow_logs import fields
from simulator.aws.ec2.flow_logs.delivery import FlowLogs
from simulator.aws.ecs.task import Task
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network
from simulator.workload.traffic.connections import Answer
from simulator.workload.traffic.groups import Party
from simulator.workload.traffic.traffic import Traffic

BUCKET = "flows-of-the-company"
HOUR = 3600.0
DAY = 24 * HOUR
WARM_UP = HOUR
"""Until the services run; before that nothing is logged."""
TCP, UDP, ICMP, ANY = 6, 17, 1, -1
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ANY: "-1"}
ANYWHERE, INSIDE = "0.0.0.0/0", "10.0.0.0/16"
PARTNER_CIDR = "198.51.100.0/24"
SUBNETS = (
    ("a", "10.0.0.0/26"),
    ("b", "10.0.1.0/26"),
    ("a", "10.0.2.0/28"),
    ("b", "10.0.3.0/24"),
    ("b", "10.0.4.0/28"),
)
"""Zones and blocks: for services the first two, then for jobs, for single interfaces, and for tasks of seconds."""
UNTIL_FREE = 10.0
"""Seconds from the stop of a task until another is to run that gets its address."""
LOOKS = 300.0
"""How often somebody looks at the topology."""
SCANNED_PORTS = (22, 23, 80, 443, 2222, 3306, 5432, 6379, 8080, 8443)


@dataclass(frozen=True)
class Wanted:
    """A rule that the company begins with. peer: a CIDR, or the name of a group or prefix list."""

    group: str
    direction: str
    protocol: int
    ports: tuple[int, int]
    peer: str

    def __str__(self) -> str:
        first, last = self.ports
        return f"{self.group} {self.direction} {NAMES[self.protocol]} {first}-{last} {self.peer}"


def _in(group: str, port: int, peer: str, protocol: int = TCP) -> Wanted:
    return Wanted(group, "ingress", protocol, (port, port), peer)


def _out(group: str, port: int, peer: str, protocol: int = TCP) -> Wanted:
    return Wanted(group, "egress", protocol, (port, port), peer)


USED = (
    *(_in("cdn", 443, ANYWHERE), Wanted("cdn", "egress", ANY, (0, 65535), ANYWHERE)),
    *(
        _in("edge", 443, ANYWHERE),
        Wanted("edge", "egress", ANY, (0, 65535), ANYWHERE),
        _in("web", 8080, "edge"),
        _out("web", 5432, "db"),
    ),
    *(_out("web", 6379, "cache"), _out("web", 443, "partners"), _in("db", 5432, "web"), _in("cache", 6379, "web")),
    *(
        _in("base", 9100, "monitor"),
        Wanted("base", "ingress", ICMP, (-1, -1), "monitor"),
        _out("base", 514, INSIDE, UDP),
    ),
    *(_out("monitor", 9100, INSIDE), Wanted("monitor", "egress", ICMP, (-1, -1), INSIDE)),
    *(_in("syslog", 514, INSIDE, UDP), _in("statsd", 8125, "web", UDP), _out("web", 8125, "statsd", UDP)),
    *(_in("bastion", 22, "offices"), _in("cache", 6379, "nodes"), _out("nodes", 6379, "cache")),
    *(_out("billing", 5432, "db"), _in("db", 5432, "billing"), _out("mailer", 587, "partners")),
    *(_out("flash", 5432, "db"), _in("db", 5432, "flash"), _out("heir", 443, "partners")),
    *(_out("blink", 5432, "db"), _in("db", 5432, "blink")),
    *(_out("reports", 5432, "db"), _in("db", 5432, "reports"), _out("audit", 5432, "db"), _in("db", 5432, "audit")),
)
SCANNED = (_in("edge", 80, ANYWHERE), _in("bastion", 2222, ANYWHERE))
"""What only scanners try; nothing listens."""
IDLE = (
    *(_in("web", 8081, "edge"), _in("db", 5432, "10.0.200.0/24"), _in("db", 3306, INSIDE), _in("db", 5432, "mailer")),
    *(_in("cache", 6379, "192.168.0.0/16"), _in("cache", 6380, "web"), _in("edge", 8443, PARTNER_CIDR)),
    *(_out("web", 3306, "db"), _out("billing", 6379, "cache"), _in("bastion", 22, "192.168.7.0/24")),
    *(_in("statsd", 8126, "web", UDP), _out("nodes", 443, "partners"), _in("syslog", 6514, INSIDE)),
    *(Wanted("db", "egress", TCP, (1024, 65535), INSIDE), Wanted("cache", "egress", TCP, (1024, 65535), INSIDE)),
    *(_in("db", 5432, "heir"), _in("web", 8080, "monitor")),
    *(_out("monitor", 22, "bastion"), _in("db", 5432, "203.0.113.64/26")),
)
"""What nobody uses.

Some would let responses out, some differ from used rules in the peer only, and what one lets in a network ACL denies.
"""
GROUPS = tuple(dict.fromkeys(one.group for one in (*USED, *SCANNED, *IDLE)))
SERVICES = {"web": 3, "db": 1, "cache": 1, "statsd": 1}
JOBS = {"billing": 6, "mailer": 6}
"""How often a day they run; they are given each other's addresses."""
OFFICE, NEW_OFFICE = "198.18.2.0/25", "198.18.2.128/25"
"""No documentation addresses: rules in quarantine have these."""
LISTS = {"partners": ("203.0.113.0/26", "203.0.113.128/25"), "offices": (OFFICE,)}


@dataclass
class Company:
    """One simulated company.

    days: how long it is watched; the month is a quarter of that. pace: how many times as much happens.
    """

    cloud: Cloud
    random: Random
    network: Network
    fleet: Fleet
    traffic: Traffic
    days: float
    groups: dict[str, str]
    lists: dict[str, str]
    pace: float = 1.0
    interfaces: dict[str, str] = field(default_factory=dict)
    rules: dict[str, Wanted] = field(default_factory=dict)
    log_id: str = ""
    begun: float = 0.0
    offices: tuple[str, ...] = (OFFICE,)

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.cloud.clock.timestamp()

    @property
    def logs(self) -> FlowLogs:
        """The flow logs of the account."""
        return self.cloud.state(FlowLogs)

    @property
    def end(self) -> float:
        """When the company is watched no longer."""
        return self.begun + self.days * DAY

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.cloud.clock.run_until(self.now + seconds)

    # What there is

    def authorize(self, wanted: Wanted, description: str = "", tags: Mapping[str, str] | None = None) -> str:
        """Add a rule; returns its id."""
        ec2 = self.cloud.client("ec2")
        call = ec2.authorize_security_group_ingress
        if wanted.direction == "egress":
            call = ec2.authorize_security_group_egress
        permission: dict[str, Any] = {"IpProtocol": NAMES[wanted.protocol]}
        if wanted.protocol != ANY:
            permission |= {"FromPort": wanted.ports[0], "ToPort": wanted.ports[1]}
        text = {"Description": description} if description else {}
        if wanted.peer in self.groups:
            permission["UserIdGroupPairs"] = [{"GroupId": self.groups[wanted.peer], **text}]
        elif wanted.peer in self.lists:
            permission["PrefixListIds"] = [{"PrefixListId": self.lists[wanted.peer], **text}]
        elif ":" in wanted.peer:
            permission["Ipv6Ranges"] = [{"CidrIpv6": wanted.peer, **text}]
        else:
            permission["IpRanges"] = [{"CidrIp": wanted.peer, **text}]
        asked: dict[str, Any] = {"GroupId": self.groups[wanted.group], "IpPermissions": [permission]}
        if tags:
            given = [{"Key": key, "Value": value} for key, value in tags.items()]
            asked["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": given}]
        identifier: str = call(**asked)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        self.rules[identifier] = wanted
        return identifier

    def revoke(self, rule: str) -> None:
        """Remove a rule."""
        ec2, wanted = self.cloud.client("ec2"), self.rules[rule]
        call = ec2.revoke_security_group_ingress if wanted.direction == "ingress" else ec2.revoke_security_group_egress
        call(GroupId=self.groups[wanted.group], SecurityGroupRuleIds=[rule])

    def configuration(self, *names: str, subnet: str = "") -> dict[str, Any]:
        """The network configuration of tasks with these groups, and that of all."""
        subnets = [subnet] if subnet else list(self.network.subnets)[:2]
        groups = [self.groups[name] for name in ("base", *names)]
        return {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": groups}}

    def tasks(self, service: str) -> list[Task]:
        """The tasks of a service that run."""
        return [task for task in self.fleet.tasks if task.service == service and task.is_running]

    def one_of(self, service: str) -> Task | None:
        """A task of a service, if one runs."""
        tasks = self.tasks(service)
        return self.random.choice(tasks) if tasks else None

    # What happens again and again

    def every(self, mean: float, happen: Callable[[], None]) -> None:
        """Let something happen at random times, so many seconds apart on average, until the end."""

        def again() -> None:
            if self.now < self.end:
                happen()
                self.every(mean, happen)

        self.cloud.clock.after(self.random.expovariate(self.pace / mean), again)

    def begin(self) -> None:
        """Let everything begin that the company does."""
        self.begin_traffic()
        month = self.days * DAY / 4
        for number in range(1, 4):
            self.cloud.clock.at(self.begun + number * month, partial(self._run_job, "reports"))
        self.cloud.clock.at(self.begun + 2.5 * month, partial(self._run_job, "audit"))
        self.every(4 * HOUR, self._flash)
        self.cloud.clock.at(self.begun + 1.2 * month, self._blink)
        self.every(6 * HOUR, self.release)
        self.every(5 * HOUR, self._crash)
        self.every(5 * HOUR, self.edit)
        self.cloud.clock.at(self.begun + 1.5 * month, self._move_the_office)

    def begin_traffic(self) -> None:
        """Let begin what happens again and again."""
        self.begun = self.now
        self.every(0.3 * HOUR, self._serve_a_client)
        self.every(0.3 * HOUR, partial(self._between, "web", "db", 5432))
        self.every(0.4 * HOUR, partial(self._between, "web", "cache", 6379))
        self.every(0.5 * HOUR, partial(self._between, "web", "statsd", 8125, protocol=UDP))
        self.every(4 * HOUR, self._keep_a_pool)
        self.every(2 * HOUR, self._call_a_partner)
        self.every(1 * HOUR, self._monitor)
        self.every(0.5 * HOUR, self._log)
        self.every(0.3 * HOUR, self._scan)
        self.every(6 * HOUR, self._log_in)
        self.every(1 * HOUR, self._use_a_pod)
        self.every(3 * HOUR, self._a_partner_tries)
        for job, times in JOBS.items():
            self.every(DAY / times, partial(self._run_job, job))

    def _serve_a_client(self) -> None:
        client = f"203.0.113.{self.random.randrange(1, 60)}" if self.random.random() < 0.1 else _outside(self.random)
        edge = self.interfaces["edge"]
        self.traffic.connect(client, edge, 443, lasts=self.random.uniform(0.1, 90))
        self.traffic.connect(client, self.interfaces["cdn"], 443, lasts=self.random.uniform(0.1, 90))
        if web := self.one_of("web"):
            self.traffic.connect(edge, web, 8080, lasts=self.random.uniform(0.1, 60))

    def _between(self, source: str, destination: str, port: int, *, protocol: int = TCP) -> None:
        one, other = self.one_of(source), self.one_of(destination)
        if one and other:
            self.traffic.connect(one, other, port, protocol=protocol, lasts=self.random.uniform(0.1, 30))

    def _keep_a_pool(self) -> None:
        one, other = self.one_of("web"), self.one_of("db")
        if one and other:
            self.traffic.connect(one, other, 5432, lasts=self.random.uniform(1, 8) * HOUR, every=45, closes=False)

    def _call_a_partner(self) -> None:
        if web := self.one_of("web"):
            self.traffic.connect(web, f"203.0.113.{self.random.randrange(1, 60)}", 443, lasts=5)

    def _monitor(self) -> None:
        source = self.interfaces["monitor"]
        for service in SERVICES:
            if task := self.one_of(service):
                self.traffic.connect(source, task, 9100, lasts=1)
                self.traffic.connect(source, task, protocol=ICMP, lasts=4, every=1)

    def _log(self) -> None:
        for service in SERVICES:
            if task := self.one_of(service):
                self.traffic.connect(task, self.interfaces["syslog"], 514, protocol=UDP, answer=Answer.NONE)

    def _scan(self) -> None:
        target = self.interfaces[self.random.choice(("edge", "bastion"))]
        scanner = _outside(self.random)
        for port in SCANNED_PORTS:
            answer = self.random.choice((Answer.REFUSES, Answer.NONE))
            self.traffic.connect(scanner, target, port, answer=answer)

    def _log_in(self) -> None:
        address = self.random.choice(self.offices).rpartition(".")[0] + f".{self.random.randrange(1, 100)}"
        self.traffic.connect(address, self.interfaces["bastion"], 22, lasts=self.random.uniform(60, 7200), every=20)

    def _use_a_pod(self) -> None:
        eni = self.cloud.interfaces[self.interfaces["node"]]
        prefix = eni.ipv4_prefixes[0].partition("/")[0]
        base, _, last = prefix.rpartition(".")
        pod = Party(f"{base}.{int(last) + self.random.randrange(16)}", eni)
        if cache := self.one_of("cache"):
            self.traffic.connect(pod, cache, 6379, lasts=10)

    def _a_partner_tries(self) -> None:
        self.traffic.connect(f"198.51.100.{self.random.randrange(1, 250)}", self.interfaces["edge"], 8443)

    def _run_job(self, name: str) -> None:
        """Run a task that talks for some minutes and ends."""
        subnet = list(self.network.subnets)[2]
        [task] = self.fleet.run_task(name, self.configuration(name, subnet=subnet))

        def work(left: int) -> None:
            if task.is_running:
                if name == "mailer":
                    self.traffic.connect(task, f"203.0.113.{self.random.randrange(129, 250)}", 587, lasts=3)
                elif db := self.one_of("db"):
                    self.traffic.connect(task, db, 5432, lasts=self.random.uniform(1, 200))
            if left:
                self.cloud.clock.after(self.random.uniform(60, 400), partial(work, left - 1))
            elif task.is_running:
                self.fleet.stop(task)
                self._follow(name)

        self.cloud.clock.after(90, partial(work, self.random.randrange(2, 5)))

    def _follow(self, job: str) -> None:
        """Run the other job a minute later: it is given the address that has just become free."""
        if job in JOBS and self.random.random() < 1 / 2:
            other = next(name for name in JOBS if name != job)
            self.cloud.clock.after(self.random.uniform(15, 60), partial(self._run_job, other))

    def _flash(self) -> None:
        """A task ends with its only connection, and another has its address before the records of that are stamped."""

        def end(task: Task) -> None:
            if db := self.one_of("db"):
                self.traffic.connect(task, db, 5432, lasts=0.5)
            self.fleet.stop(task)
            self.cloud.clock.after(UNTIL_FREE, lambda: self._start("heir", inherit))

        def inherit(task: Task) -> None:
            self.traffic.connect(task, "203.0.113.7", 443, lasts=3)
            self.cloud.clock.after(600, partial(self.fleet.stop, task))

        self._start("flash", end)

    def _blink(self) -> None:
        """A task comes and goes between two looks at the topology, once in the whole time."""

        def end(task: Task) -> None:
            if db := self.one_of("db"):
                self.traffic.connect(task, db, 5432, lasts=0.5)
            self.fleet.stop(task)

        until_look = -self.now % LOOKS
        self.cloud.clock.after(until_look + 5, lambda: self._start("blink", end))

    def _start(self, name: str, do: Callable[[Task], None]) -> None:
        """Run a task in the smallest subnet, and let it do something once it runs."""
        [task] = self.fleet.run_task(name, self.configuration(name, subnet=list(self.network.subnets)[4]))

        def wait() -> None:
            if task.is_running:
                do(task)
            elif task.desired_status == "RUNNING":
                self.cloud.clock.after(2, wait)

        wait()

    # What people do

    def release(self) -> None:
        """Deploy a service anew."""
        self.fleet.deploy(self.random.choice(tuple(SERVICES)))

    def _crash(self) -> None:
        if task := self.one_of(self.random.choice(tuple(SERVICES))):
            self.fleet.crash(task)

    def edit(self) -> None:
        """Somebody removes a rule for some minutes, adds a useless one, or changes the groups of an interface."""
        self.random.choice((self._remove_for_a_while, self._add_a_rule, self._change_groups))()

    def _remove_for_a_while(self) -> None:
        there = {one["SecurityGroupRuleId"] for one in rules_of(self.cloud)}
        known = [rule for rule in self.rules if rule in there]
        rule = self.random.choice(known)
        wanted = self.rules[rule]
        self.revoke(rule)
        self.cloud.clock.after(self.random.uniform(30, 2 * HOUR), partial(self._add_again, wanted))

    def _add_again(self, wanted: Wanted) -> None:
        """Unless somebody else has."""
        try:
            self.authorize(wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidPermission.Duplicate":
                raise

    def _add_a_rule(self) -> None:
        wanted = _in(
            self.random.choice(GROUPS), self.random.randrange(20000, 30000), self.random.choice(("web", INSIDE))
        )
        self.authorize(wanted)

    def _change_groups(self) -> None:
        """The bastion is one of the monitors, too, for a while."""
        ec2, bastion = self.cloud.client("ec2"), self.interfaces["bastion"]
        change = partial(ec2.modify_network_interface_attribute, NetworkInterfaceId=bastion)
        change(Groups=[self.groups["bastion"], self.groups["monitor"]])
        usual = [self.groups["bastion"]]
        self.cloud.clock.after(self.random.uniform(60, HOUR), partial(change, Groups=usual))

    def _move_the_office(self) -> None:
        """The company's people come from another block from now on."""
        ec2 = self.cloud.client("ec2")
        self.offices = (NEW_OFFICE,)
        version = ec2.describe_managed_prefix_lists(PrefixListIds=[self.lists["offices"]])["PrefixLists"][0]["Version"]
        ec2.modify_managed_prefix_list(
            PrefixListId=self.lists["offices"],
            CurrentVersion=version,
            AddEntries=[{"Cidr": NEW_OFFICE}],
            RemoveEntries=[{"Cidr": OFFICE}],
        )


@contextmanager
def a_company(
    seed: int, faults: FaultPlan, *, days: float, aggregation: int = 600, pace: float = 1.0
) -> Iterator[Company]:
    """A company whose services run, and whose VPC has been logged from now on."""
    random = Random(f"{seed}:company")  # noqa: S311 - reproducible on purpose
    with Cloud(seed=seed, faults=faults) as cloud:
        ec2 = cloud.client("ec2")
        network = Network.create(cloud, INSIDE, zones=("a", "b"), managed=False)
        for zone, cidr in SUBNETS:
            network.subnet(zone, cidr)
        groups = {name: a_group(cloud, network.vpc_id, name) for name in GROUPS}
        lists = {
            name: ec2.create_managed_prefix_list(
                PrefixListName=name,
                AddressFamily="IPv4",
                MaxEntries=5,
                Entries=[{"Cidr": cidr} for cidr in cidrs],
            )["PrefixList"]["PrefixListId"]
            for name, cidrs in LISTS.items()
        }
        company = Company(cloud, random, network, Fleet(cloud, reuse=0.9), Traffic(cloud), days, groups, lists, pace)
        _refuse(cloud, network.vpc_id, PARTNER_CIDR)
        company.logs.longest_lag = 60.0
        for wanted in (*USED, *SCANNED, *IDLE):
            company.authorize(wanted)
        home = list(network.subnets)[3]
        for name, own in {
            "cdn": "cdn",
            "edge": "edge",
            "bastion": "bastion",
            "monitor": "monitor",
            "syslog": "syslog",
            "node": "nodes",
        }.items():
            company.interfaces[name] = an_interface(cloud, home, groups[own], prefixes=name == "node")
        for service, count in SERVICES.items():
            company.fleet.service(service, company.configuration(service), count)
        company.run(WARM_UP)
        company.log_id = _flow_log(cloud, network.vpc_id, aggregation)
        yield company


def rules_of(cloud: Cloud) -> Sequence[Any]:
    rules: Sequence[Any] = cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return rules


def _refuse(cloud: Cloud, vpc_id: str, cidr: str) -> None:
    """Have the network ACL of all subnets refuse what comes from a block."""
    ec2 = cloud.client("ec2")
    for acl in ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["NetworkAcls"]:
        ec2.create_network_acl_entry(
            NetworkAclId=acl["NetworkAclId"],
            RuleNumber=50,
            Protocol="-1",
            RuleAction="deny",
            Egress=False,
            CidrBlock=cidr,
        )


def _outside(random: Random) -> str:
    return f"{random.randrange(60, 90)}.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def a_group(cloud: Cloud, vpc_id: str, name: str) -> str:
    """A group without any rule."""
    ec2 = cloud.client("ec2")
    group: str = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id)["GroupId"]
    for rule in ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])[
        "SecurityGroupRules"
    ]:
        ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    return group


def an_interface(cloud: Cloud, subnet_id: str, *groups: str, prefixes: bool = False) -> str:
    asked = {"Ipv4PrefixCount": 1} if prefixes else {}
    made = cloud.client("ec2").create_network_interface(SubnetId=subnet_id, Groups=list(groups), **asked)
    identifier: str = made["NetworkInterface"]["NetworkInterfaceId"]
    return identifier


def _flow_log(cloud: Cloud, vpc_id: str, aggregation: int) -> str:
    cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    cloud.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    made = cloud.client("ec2").create_flow_logs(
        ResourceIds=[vpc_id],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{BUCKET}",
        LogFormat=fields.log_format(fields.up_to(5)),
        MaxAggregationInterval=aggregation,
    )
    identifier: str = made["FlowLogIds"][0]
    return identifier
