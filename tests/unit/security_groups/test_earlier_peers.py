"""Who held conversations under a rule, in all that is stored."""

from ipaddress import ip_network

from berthmaster.security_groups.model.evidence import Credits, Seen
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.plan.earlier_peers import MOST, EarlierPeers


def seen(*peers: str) -> Seen:
    return Seen(records=1, first=0.0, last=1.0, peers=frozenset(map(ip_network, peers)), ports=frozenset())


def of(*days: Credits) -> tuple[str, ...]:
    found = EarlierPeers({"sgr-1"})
    for one in days:
        found.add(Evidence(credits={"sgr-1": one, "sgr-2": Credits(conversations=seen("10.9.9.9"))}))
    return tuple(map(str, found.peers()["sgr-1"]))


def test_only_peers_of_certain_conversations_count_whichever_day_they_were_on() -> None:
    first = Credits(conversations=seen("10.0.0.1"), possible=seen("10.0.0.2"), knocks=seen("10.0.0.3"))
    assert of(first, Credits(), Credits(conversations=seen("10.0.0.8", "2001:db8::1"))) == (
        "10.0.0.1/32",
        "10.0.0.8/32",
        "2001:db8::1/128",
    )


def test_blocks_that_may_hold_others_do_not_count() -> None:
    assert of(Credits(conversations=seen("203.0.113.0/24", "10.0.0.0/28", "10.1.0.0/29", "2001:db8::/64"))) == (
        "10.1.0.0/29",
    )


def test_of_very_many_the_largest_blocks_are_kept() -> None:
    many = seen("10.200.0.0/30", *(f"10.{number // 100}.{number % 100}.1" for number in range(MOST + 5)))
    found = of(Credits(conversations=many))
    assert len(found) == MOST
    assert found[0] == "10.200.0.0/30"


def test_a_rule_without_history_has_no_earlier_peers() -> None:
    assert EarlierPeers({"sgr-1"}).peers() == {"sgr-1": ()}
