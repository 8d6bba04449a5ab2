"""A record of the ledger that cannot be read concerns what it is about, and nothing else."""

from berthmaster.targets.ledger.findings import PARTITION
from tests.support.targets.pods import FOLLOW, pods_of_a_cluster
from tests.support.targets.scene import COOL_DOWN, RECONCILE, TargetsScene, a_targets_scene, addresses, tags_of

OTHER = tags_of(service="other")


def damage(scene: TargetsScene, partition: str, sort_key: str = "") -> int:
    """Make records unreadable, all of a partition or one; returns how many."""
    dynamodb = scene.cloud.client("dynamodb")
    chosen = [
        item
        for item in dynamodb.scan(TableName=scene.table)["Items"]
        if item["pk"]["S"] == partition and sort_key in ("", item["sk"]["S"])
    ]
    for item in chosen:
        dynamodb.put_item(TableName=scene.table, Item={**item, "body": {"S": "{"}})
    return len(chosen)


def is_damaged(scene: TargetsScene, partition: str, sort_key: str) -> bool:
    key = {"pk": {"S": partition}, "sk": {"S": sort_key}}
    return scene.cloud.client("dynamodb").get_item(TableName=scene.table, Key=key)["Item"]["body"]["S"] == "{"


def test_a_run_replaces_a_damaged_status_and_reconciles_all_destinations() -> None:
    with a_targets_scene() as scene:
        scene.target_group("other", OTHER)
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        assert damage(scene, PARTITION, scene.shop) == 1
        scene.scale_without_events(3)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running()) > addresses(tasks)
        assert not is_damaged(scene, PARTITION, scene.shop)
        assert scene.logged(RECONCILE, "status not read")


def test_while_a_status_is_damaged_the_destination_counts_as_one_that_was_not_managed() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        damage(scene, PARTITION)
        scene.fleet.scale("shop", 0)
        scene.wait(20)
        assert scene.targets() == {task.address}
        scene.reconcile(times=3)
        assert scene.targets() == set()
        assert scene.dead_letters() == []


def test_a_damaged_change_does_not_hinder_a_run() -> None:
    with a_targets_scene(mode="approve") as scene:
        scene.serve(1)
        scene.reconcile()
        assert damage(scene, "change") == 1
        assert scene.failed_run() is not None
        assert len(scene.events("Change Proposed")) == 2


def test_pods_are_followed_although_records_are_damaged() -> None:
    with pods_of_a_cluster() as pods:
        first, _ = pods.pods(1, 2)
        assert damage(pods.scene, PARTITION)
        pods.cluster.delete(first)
        pods.wait(15)
        assert first.address not in pods.targets
        assert pods.scene.logged(FOLLOW, "status not read")


def test_a_damaged_claim_does_not_hinder_the_other_tasks_of_a_batch() -> None:
    with a_targets_scene() as scene:
        other = scene.target_group("other", OTHER)
        shop = scene.serve(2)
        scene.serve(2, name="other")
        assert damage(scene, f"claim#{scene.shop}", f"{shop[0].address}#{shop[0].port}") == 1
        scene.fleet.scale("shop", 0)
        scene.fleet.scale("other", 0)
        scene.wait(30)
        assert scene.targets(other) == set()
        assert scene.targets() == {shop[0].address}


def test_a_damaged_fence_concerns_its_task_only() -> None:
    with a_targets_scene() as scene:
        first, second = scene.serve(2)
        assert damage(scene, f"fence#{first.arn}") == 1
        scene.fleet.scale("shop", 0)
        scene.wait(30)
        assert scene.targets() == {first.address}
        assert second.address not in scene.targets()


def test_a_damaged_fence_does_not_hinder_the_drain_of_another_task() -> None:
    with a_targets_scene() as scene:
        first, second = scene.serve(2)
        assert damage(scene, f"fence#{first.arn}") == 1
        for task in (first, second):
            scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(60)
        assert scene.targets() == {first.address}
        (accepted,) = scene.events("Request Accepted")
        assert second.arn in str(accepted)
        assert len(scene.events("Request Refused")) == 1


def test_a_damaged_claim_does_not_hinder_the_reconciliation_of_the_others() -> None:
    with a_targets_scene() as scene:
        first, _ = scene.serve(2)
        scene.wait(COOL_DOWN)
        assert damage(scene, f"claim#{scene.shop}", f"{first.address}#{first.port}") == 1
        scene.scale_without_events(4)
        assert scene.failed_run() is not None
        assert scene.targets() == addresses(scene.running())
        scene.wait(COOL_DOWN)
        scene.scale_without_events(0)
        assert scene.failed_run() is not None
        scene.wait(60)
        assert scene.failed_run() is not None
        assert scene.targets() == {first.address}
        assert is_damaged(scene, f"claim#{scene.shop}", f"{first.address}#{first.port}")
