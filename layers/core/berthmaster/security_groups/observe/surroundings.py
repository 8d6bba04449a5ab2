"""What a report needs of an account beside the recorded topology, read when the report is written."""

from collections.abc import Callable

from berthmaster.clients import Clients
from berthmaster.security_groups.model.references import Surroundings
from berthmaster.security_groups.model.rules import PrefixListReference
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.observe.references import read_references
from berthmaster.security_groups.observe.stale_references import read_stale
from berthmaster.security_groups.plan.present import present
from berthmaster.security_groups.plan.unused_groups import without_interface


def read_surroundings(
    clients: Clients, topology: Topology, since: float, until: float, may_go_on: Callable[[], bool]
) -> Surroundings:
    """Read what may name groups that no interface had in the window, and what is gone that rules name.

    since, until: of the window, seconds since the epoch. may_go_on: whether there is time left. Nothing is raised: what
    is not read is named in the result.
    """
    rules = present(topology, until).rules
    lists = {rule.peer.prefix_list for rule in rules if isinstance(rule.peer, PrefixListReference)}
    vpcs = {group.vpc for group in topology.groups.values()} - {""}
    return Surroundings(
        references=read_references(clients, without_interface(topology, since, until), may_go_on),
        stale=read_stale(clients.ec2, vpcs, lists, may_go_on),
    )
