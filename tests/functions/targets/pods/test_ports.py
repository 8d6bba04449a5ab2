"""A destination takes one port of a Service; the other ports do not matter."""

from tests.support.targets.pods import FOLLOW, pods_of_a_cluster, tags_of_pods

PORTS = {"app1": 8081, "app2": 8082, "metrics": 9102}


def test_the_named_port_is_registered_and_nothing_is_said_about_the_others() -> None:
    with pods_of_a_cluster(tags=tags_of_pods(port="app1")) as pods:
        pods.pods(1, 2, ports=PORTS)
        routable = pods.scene.cloud.targets.routable(pods.group)
        assert routable == {("10.0.0.21", 8081), ("10.0.0.22", 8081)}
        assert [code for code, _ in pods.scene.findings()] == ["no endpoints"]


def test_pods_of_other_ports_are_no_part_of_the_destination() -> None:
    with pods_of_a_cluster(tags=tags_of_pods(port="app1")) as pods:
        pods.pods(1, ports={"app1": 8081})
        pods.pods(2, ports={"app2": 8082})
        pods.pods(3, ports={"app1": 9081})
        routable = pods.scene.cloud.targets.routable(pods.group)
        assert routable == {("10.0.0.21", 8081), ("10.0.0.23", 9081)}
        assert [code for code, _ in pods.scene.findings()] == ["no endpoints"]


def test_a_port_that_no_pod_has_is_reported_once_and_pods_stay() -> None:
    with pods_of_a_cluster(tags=tags_of_pods(port="app1")) as pods:
        first, second = pods.pods(1, 2, ports=PORTS)
        first.ports, second.ports = {"web": 8081}, {"web": 8081}
        pods.wait(240)
        assert len(pods.targets) == 2
        assert [text for code, text in pods.scene.findings() if code == "port"] == [
            "choose the port with berthmaster:port; the pods have: web 8081"
        ]
        assert pods.scene.operations(FOLLOW) == ["RegisterTargets"]


def test_several_ports_without_a_choice_are_reported() -> None:
    with pods_of_a_cluster() as pods:
        pods.pods(1, 2, ports=PORTS)
        assert pods.targets == set()
        assert ("port", "choose the port with berthmaster:port; the pods have: app1 8081, app2 8082, metrics 9102") in (
            pods.scene.findings()
        )
