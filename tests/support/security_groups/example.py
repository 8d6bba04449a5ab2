"""The documentation of an example: VPCs with services, load balancers, databases, clusters and leftovers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address, ip_network
from random import Random

from berthmaster.security_groups.model.documentation import Documentation, DocumentedGroup, Party, PartyKind, Talk
from berthmaster.security_groups.model.evidence import (
    Consolidation,
    Cover,
    Credits,
    Gap,
    LatentGroup,
    RuleEvidence,
    Seen,
    StaleRule,
    Tightening,
    UnusedGroup,
    Verdict,
)
from berthmaster.security_groups.model.removals import Candidate, Ground, Origin, Removal, RemovalState
from berthmaster.security_groups.model.rules import (
    ANY,
    TCP,
    UDP,
    Direction,
    Group,
    GroupReference,
    Peer,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Interface, Span, Topology
from berthmaster.security_groups.plan.users_of_groups import documented_groups

DAY = 86_400.0
UNTIL = 1_795_737_600.0  # 2026-11-27
SINCE = UNTIL - 90 * DAY
WORLD = ip_network("0.0.0.0/0")
OFFICE = ip_network("203.0.113.0/24")
S3 = "pl-63a5400a"

DOMAINS = (
    ("shop", ("web", "catalog", "basket", "checkout", "recommendations", "reviews")),
    ("payments", ("gateway", "ledger", "fraud", "payouts", "invoices")),
    ("search", ("query", "indexer", "suggest")),
    ("logistics", ("tracking", "routing", "labels", "carriers", "returns")),
    ("media", ("upload", "thumbnails", "transcode")),
    ("identity", ("login", "sessions", "directory")),
    ("analytics", ("collector", "reports", "exports", "scheduler")),
    ("support", ("tickets", "chat", "mail")),
)
ENVIRONMENTS = ("prod", "staging", "test", "dev", "sandbox")


@dataclass
class Account:
    """What is being made up. `size`: how many groups it shall have."""

    size: int
    random: Random
    groups: dict[str, Group] = field(default_factory=dict)
    interfaces: list[Interface] = field(default_factory=list)
    rules: list[RuleEvidence] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.groups) >= self.size

    def hex(self, prefix: str) -> str:
        return f"{prefix}-{self.random.getrandbits(68):017x}"

    def group(self, vpc: str, name: str, description: str = "") -> str:
        one = Group(id=self.hex("sg"), name=name, vpc=vpc, owner="123456789012", description=description or name)
        self.groups[one.id] = one
        return one.id

    def interface(self, vpc: str, groups: tuple[str, ...], count: int = 1, **what: object) -> None:
        for _ in range(count):
            address = ip_address(
                f"10.{self.random.randrange(256)}.{self.random.randrange(256)}.{len(self.rules) % 250}"
            )
            self.interfaces.append(
                Interface(id=self.hex("eni"), vpc=vpc, groups=groups, addresses=(address,), **what)  # type: ignore[arg-type]
            )

    def rule(
        self,
        group: str,
        peer: Peer,
        ports: tuple[int, int] = (0, 65535),
        verdict: Verdict = Verdict.USED,
        *,
        protocol: int = TCP,
        direction: Direction = Direction.INGRESS,
        description: str = "",
    ) -> str:
        one = Rule(
            id=self.hex("sgr"),
            group=group,
            direction=direction,
            protocol=protocol,
            ports=ports,
            peer=peer,
            description=description,
        )
        self.rules.append(self._judged(one, verdict))
        return one.id

    def _judged(self, rule: Rule, verdict: Verdict) -> RuleEvidence:
        records = self.random.randrange(1, 4_000_000)
        last = UNTIL - self.random.random() ** 3 * 40 * DAY
        is_cidr = isinstance(rule.peer, IPv4Network) and rule.peer != WORLD
        peers = frozenset(
            [rule.peer] if is_cidr else [IPv4Network((0x0A000000 + self.random.getrandbits(24), 32)) for _ in range(3)]
        )
        seen = Seen(records=records, first=SINCE + 3600, last=last, peers=peers, ports=frozenset({rule.ports}))  # type: ignore[arg-type]
        match verdict:
            case Verdict.USED:
                why, credited = (
                    f"{records} records of conversations",
                    Credits(conversations=seen, exclusive=records // 2),
                )
            case Verdict.POSSIBLY_USED:
                why, credited = "who began the traffic is not known", Credits(possible=seen)
            case Verdict.SCANNED_ONLY:
                why, credited = "connections were tried from outside, and nobody answered", Credits(knocks=seen)
            case Verdict.UNUSED:
                why, credited = "no record in 90 days, and the logs have no gap", Credits()
            case Verdict.UNKNOWN:
                why, credited = "the flow log of its VPC was inactive for 3 days", Credits()
        return RuleEvidence(rule=rule, verdict=verdict, why=why, credits=credited)

    def talk(self, source: Party, target: str, port: int, *, protocol: int = TCP, is_certain: bool = True) -> None:
        records = int(10 ** (2 + 5 * self.random.random()))
        self.talks.append(
            Talk(
                source=source,
                target=group(target),
                protocol=protocol,
                ports=(port, port),
                is_certain=is_certain,
                logged_at_target=records,
                first=SINCE + 60,
                last=UNTIL - self.random.random() * DAY,
            )
        )

    def call(self, source: str, target: str, port: int, *, records: bool = True) -> None:
        """A group that another may reach, and does."""
        self.rule(target, GroupReference(source), (port, port))
        if self.random.random() < 0.25:
            self.rule(target, GroupReference(source), (8080, 8089), Verdict.UNUSED, description="old port")
        if records:
            self.talk(group(source), target, port)


def group(id_: str) -> Party:
    """A group as a party of conversations."""
    return Party(PartyKind.GROUP, (id_,))


INTERNET = Party(PartyKind.INTERNET)


def example(size: int, seed: int = 1) -> Documentation:
    """An account with so many groups; the same for the same seed."""
    account = Account(size, Random(seed))  # noqa: S311 - an example, not a secret
    for number, environment in enumerate(ENVIRONMENTS):
        if not account.is_full:
            _environment(account, account.hex("vpc"), environment, number)
    topology = Topology(
        interfaces={one.id: (Span(one),) for one in account.interfaces},
        groups=account.groups,
    )
    return _found(account, topology)


def _environment(account: Account, vpc: str, environment: str, number: int) -> None:
    bastion = account.group(vpc, f"{environment}-bastion", "SSH from the office")
    account.interface(vpc, (bastion,), instance=account.hex("i"), tags=(("Name", f"{environment}-bastion"),))
    account.rule(bastion, OFFICE, (22, 22), description="office")
    account.rule(bastion, WORLD, (22, 22), Verdict.SCANNED_ONLY, description="temporary, remove after the migration")
    account.talk(Party(PartyKind.NETWORK, (str(OFFICE),)), bastion, 22)
    endpoints = account.group(vpc, f"{environment}-endpoints", "Interface endpoints")
    for _ in range(4):
        account.interface(
            vpc, (endpoints,), 3, kind="vpc_endpoint", description=f"VPC Endpoint Interface {account.hex('vpce')}"
        )
    account.rule(endpoints, ip_network(f"10.{number}.0.0/16"), (443, 443))
    logins = ""
    for domain, services in DOMAINS:
        if account.is_full:
            break
        entry = _domain(account, vpc, f"{environment}-{domain}", services, (bastion, endpoints, logins))
        logins = entry if domain == "identity" else logins
    if not account.is_full:
        _kubernetes(account, vpc, environment, endpoints)
    for name in ("default", f"{environment}-old-web", "launch-wizard-1", "rds-migration-tmp", f"{environment}-vpn"):
        if not account.is_full:
            left = account.group(vpc, name, "default VPC security group" if name == "default" else name)
            account.rule(left, GroupReference(left), (0, 65535), Verdict.UNUSED, protocol=ANY)
            if name == "launch-wizard-1":
                account.rule(left, WORLD, (22, 22), Verdict.UNUSED)


def _domain(account: Account, vpc: str, of: str, services: tuple[str, ...], shared: tuple[str, str, str]) -> str:
    bastion, endpoints, logins = shared
    balancer = account.group(vpc, f"{of}-alb", f"Load balancer of {of}")
    account.interface(
        vpc, (balancer,), 3, requester="amazon-elb", description=f"ELB app/{of}/{account.random.getrandbits(64):016x}"
    )
    account.rule(balancer, WORLD, (443, 443), description="customers")
    account.rule(balancer, WORLD, (80, 80), Verdict.SCANNED_ONLY, description="redirect")
    account.talk(INTERNET, balancer, 443)
    known: list[str] = []
    for service in services:
        if account.is_full:
            return balancer
        one = account.group(vpc, f"{of}-{service}", f"Service {service} of {of}")
        account.interface(
            vpc,
            (one,),
            account.random.randrange(2, 12),
            description=f"arn:aws:ecs:eu-central-1:123456789012:attachment/{account.hex('a')}",
            tags=(("aws:ecs:clusterName", of), ("aws:ecs:serviceName", service)),
        )
        account.rule(one, WORLD, protocol=ANY, direction=Direction.EGRESS)
        if not known or account.random.random() < 0.4:
            account.call(balancer, one, 8080)
        for other in account.random.sample(known, min(len(known), account.random.randrange(3))):
            account.call(other, one, account.random.choice((8080, 8443, 9090, 50051)))
        account.rule(one, GroupReference(bastion), (22, 22), Verdict.UNUSED, description="debugging")
        if account.random.random() < 0.3:
            account.talk(group(one), endpoints, 443)
        if account.random.random() < 0.2:
            account.rule(one, ip_network("10.0.0.0/8"), (8000, 8999), Verdict.POSSIBLY_USED)
        if account.random.random() < 0.3 and logins:
            account.talk(group(one), logins, 443)
        known.append(one)
    _data(account, vpc, of, known, bastion)
    return balancer


def _data(account: Account, vpc: str, of: str, services: list[str], bastion: str) -> None:
    if not account.is_full:
        database = account.group(vpc, f"{of}-db", "Aurora PostgreSQL")
        account.interface(vpc, (database,), 2, requester="amazon-rds", description="RDSNetworkInterface")
        for service in services[:4]:
            account.call(service, database, 5432)
        account.rule(database, GroupReference(bastion), (5432, 5432), Verdict.UNUSED, description="admin")
        account.rule(database, ip_network("10.0.0.0/8"), (5432, 5432), Verdict.UNUSED, description="before references")
    if not account.is_full and len(services) > 3:
        cache = account.group(vpc, f"{of}-redis", "Sessions and counters")
        account.interface(
            vpc, (cache,), 2, requester="amazon-elasticache", description=f"ElastiCache {of.replace('-', '')}-001"
        )
        for service in services[1:3]:
            account.call(service, cache, 6379)
    if not account.is_full:
        function = account.group(vpc, f"{of}-jobs", "Nightly jobs")
        account.interface(
            vpc,
            (function,),
            2,
            kind="lambda",
            description=f"AWS Lambda VPC ENI-{of}-nightly-30bb1fd5-e726-4d80-9ff2-52fd62cd548c",
        )
        account.rule(function, PrefixListReference(S3), (443, 443), direction=Direction.EGRESS)
        if services:
            account.call(function, services[0], 8080)


def _kubernetes(account: Account, vpc: str, environment: str, endpoints: str) -> None:
    cluster = f"{environment}-platform"
    control = account.group(vpc, f"eks-cluster-sg-{cluster}", "EKS created security group")
    account.interface(vpc, (control,), 4, description=f"Amazon EKS {cluster}")
    if account.is_full:
        return
    nodes = account.group(vpc, f"{cluster}-nodes", "Nodes and pods")
    account.interface(
        vpc,
        (nodes,),
        24,
        description=f"aws-K8S-{account.hex('i')}",
        tags=(("cluster.k8s.amazonaws.com/name", cluster),),
    )
    account.call(nodes, control, 443)
    account.call(control, nodes, 10250)
    account.rule(nodes, GroupReference(nodes), protocol=ANY)
    account.talk(group(nodes), nodes, 53, protocol=UDP, is_certain=False)
    account.talk(group(nodes), endpoints, 443)
    if account.is_full:
        return
    files = account.group(vpc, f"{cluster}-efs", "Shared files")
    account.interface(vpc, (files,), 3, description="EFS mount target for fs-0a1b2c3d (fsmt-0a1b2c3d)")
    account.call(nodes, files, 2049)


def _found(account: Account, topology: Topology) -> Documentation:
    rules = tuple(account.rules)
    documented = documented_groups(topology, UNTIL)
    by_group: dict[str, list[Rule]] = {}
    for one in rules:
        by_group.setdefault(one.rule.group, []).append(one.rule)
    unused = [one.rule for one in rules if one.verdict is Verdict.UNUSED]
    broad = [one for one in rules if one.verdict is Verdict.USED and isinstance(one.rule.peer, IPv4Network)]
    covered = [one for one in unused if len(by_group[one.group]) > 2][::3]  # a rule, and two that cover it
    return Documentation(
        written=UNTIL + 3600,
        since=SINCE,
        until=UNTIL,
        account="123456789012",
        region="eu-central-1",
        groups=documented,
        rules=rules,
        talks=tuple(account.talks),
        redundant=tuple(
            Cover(
                rule=one.id,
                covered_by=tuple(other.id for other in by_group[one.group] if other.id != one.id)[:2],
                why="together they allow the same ports from the same addresses",
            )
            for one in covered
        ),
        conditional=tuple(
            Cover(
                rule=one.id,
                covered_by=(by_group[one.group][0].id,),
                why="as long as all members of the group are in this block",
            )
            for one in unused[1::9]
        ),
        consolidations=tuple(
            Consolidation(
                rules=(one.rule.id, broad[0].rule.id),
                peer=ip_network("10.0.0.0/15"),
                ports=(443, 443),
                why="the blocks are adjacent",
            )
            for one in broad[1:4]
        ),
        tightenings=tuple(
            Tightening(
                rule=one.rule.id,
                peers=(ip_network("10.0.4.0/22"), ip_network("10.0.12.16/28")),
                ports=((443, 443),),
                why="nothing else was seen in 90 days",
            )
            for one in broad[::4]
        ),
        unused_groups=tuple(
            UnusedGroup(
                group=one.group.id, why="no interface, and no launch template, function, service or rule names it"
            )
            for one in documented
            if not one.interfaces
        ),
        latent_groups=tuple(
            LatentGroup(group=one.group.id, named_by=("launch template lt-0a1b2c3d4e5f60718, version 3",))
            for one in documented[:2]
        ),
        stale=tuple(
            StaleRule(rule=one.id, names="sg-0deadbeef0deadbee in vpc-0deadbeef0deadbee", why="the peering is deleted")
            for one in unused[::40]
        ),
        removals=tuple(removal(rule, state) for rule, state in zip(unused, RemovalState, strict=False)),
        gaps=(
            Gap(
                what="fl-0a1b2c3d4e5f60718 lacks flow-direction",
                why="which side a record is of is told by addresses, and not where both sides have one",
                groups=tuple(account.groups)[:5],
            ),
            Gap(
                what="vpc-0f00f00f00f00f00f has no flow log",
                why="nothing can be said of its rules",
                groups=tuple(account.groups)[-3:],
            ),
        ),
        notes=("The window saw three ends of a month and one end of a quarter, and no end of a year.",),
    )


def rule_of(group: str, peer: str) -> Rule:
    """A rule of a group for what comes in from another."""
    return Rule(id="sgr-0a", group=group, direction=Direction.INGRESS, protocol=TCP, peer=GroupReference(peer))


def removal(rule: Rule, state: RemovalState, why: str = "nothing used it", note: str = "", owner: str = "") -> Removal:
    """Announced two weeks before the end of the window, in its state since the end, with a week to go."""
    at = datetime.fromtimestamp(UNTIL, UTC)
    return Removal(
        candidate=Candidate(rule=rule, vpc="vpc-1", ground=Ground.UNUSED, why=why, since=SINCE, until=UNTIL),
        origin=Origin.PEOPLE,
        state=state,
        announced_at=at - timedelta(days=14),
        changed_at=at,
        due_at=at + timedelta(days=7),
        owner=owner,
        note=note,
    )


def hostile(text: str) -> Documentation:
    """A documentation in which everything that people can name is called so."""
    one = Group(id="sg-1", name=text, vpc=text, description=text, tags=((text, text),))
    rule = Rule(
        id="sgr-1",
        group="sg-1",
        direction=Direction.INGRESS,
        protocol=TCP,
        peer=GroupReference(text),
        description=text,
    )
    return Documentation(
        written=0,
        since=0,
        until=1,
        account=text,
        groups=(DocumentedGroup(group=one),),
        rules=(RuleEvidence(rule=rule, verdict=Verdict.UNUSED, why=text),),
        talks=(
            Talk(
                source=Party(PartyKind.NETWORK, (text,)),
                target=group("sg-1"),
                protocol=TCP,
                ports=(1, 1),
                is_certain=True,
                first=0,
                last=1,
            ),
        ),
        removals=(removal(rule, RemovalState.QUARANTINED, text, text, text),),
        gaps=(Gap(what=text, why=text, groups=("sg-1", text)),),
        notes=(text,),
    )
