"""Workers that share the files of a pipeline, in virtual time: who has a file, and what becomes of it."""

import pytest

from simulator.aws.ecs.programs import Terminated
from simulator.faults import FaultPlan, Outage
from simulator.workload.workers import Job, taking
from tests.support.batch.worker_ledger import CONTROL, FILE_SECONDS
from tests.support.batch.worker_scene import WorkerScene, a_worker_scene

FILES, WORKERS = 40, 8


def codes(scene: WorkerScene) -> dict[str, tuple[str, int]]:
    return {one["file"]: (one["outcome"], one["exitCode"]) for one in scene.ledger.results()}


@pytest.mark.parametrize("faults", [FaultPlan(), FaultPlan(seed=3, program_fault=0.1)], ids=["calm", "faults"])
def test_workers_process_each_file_once(faults: FaultPlan) -> None:
    with a_worker_scene(faults=faults) as scene:
        files = {scene.ledger.put(f"{number}.txt", b"%d" % number): number for number in range(FILES)}
        tasks = [scene.start(taking(2), name=f"w{number}") for number in range(WORKERS)]
        scene.run(400)
        # A message may come twice, as any of SQS.
        results = {one["lease"]: one for one in scene.ledger.results()}.values()
        assert sorted(one["file"] for one in results) == sorted(files)
        assert {(one["outcome"], one["exitCode"]) for one in results} == {("exited", 0)}
        assert len({one["worker"] for one in results}) > 3
        assert scene.ledger.objects() == {
            f"{file}/1/result.txt": b"result of %d" % number for file, number in files.items()
        }
        for one in results:
            file = scene.ledger.file(one["file"])
            assert file.claim
            assert (file.state, file.claim.lease, file.claim.owner) == ("running", one["lease"], one["worker"])
            assert file.claim.task in tasks
        assert [scene.exit_code(task) for task in tasks] == [0] * WORKERS


def test_what_one_file_does_concerns_no_other() -> None:
    def work(job: Job) -> int:
        kind = job.data.decode()
        if kind == "endless":
            job.sleep(10_000)
        if kind == "large":
            job.use_memory(100_000)
        if kind == "raises":
            raise ValueError(kind)
        if kind == "link":
            (job.job.output / "passwords").symlink_to("/etc/passwd")
        job.write("part.txt", b"half")
        return {"rejected": 3, "fails": 7}.get(kind, 0)

    with a_worker_scene() as scene:
        kinds = ["rejected", "endless", "large", "raises", "link", "fails", "good"]
        files = {kind: scene.ledger.put(f"{kind}/../a b\n'$(x)", kind.encode()) for kind in kinds}
        gone = scene.ledger.put("gone", b"x", version_id="never")
        overwritten = scene.ledger.put("overwritten", b"1", version_id="", etag="0" * 32)
        large_name = scene.ledger.put("x", b"good")
        task = scene.start(work)
        scene.run(FILE_SECONDS + 200)
        assert codes(scene) == {
            files["rejected"]: ("exited", 3),
            files["endless"]: ("timed out", 143),
            files["large"]: ("exited", 137),
            files["raises"]: ("exited", 1),
            files["link"]: ("exited", 1),
            files["fails"]: ("exited", 7),
            files["good"]: ("exited", 0),
            large_name: ("exited", 0),
            gone: ("lost input", 75),
            overwritten: ("lost input", 75),
        }
        # What is not a result is not uploaded.
        assert scene.ledger.objects() == {f"{file}/1/part.txt": b"half" for file in (files["good"], large_name)}
        assert scene.exit_code(task) == 0


def test_a_worker_that_is_stopped_hands_back_with_a_checkpoint_and_the_next_one_goes_on_from_it() -> None:
    seen: list[str] = []

    def work(job: Job) -> int:
        progress = job.checkpoint / "deep" / "progress"
        done = int(progress.read_text()) if progress.exists() else 0
        seen.append(f"from {done}")
        try:
            for step in range(done, 10):
                job.sleep(20)
                done = step + 1
        except Terminated:
            progress.parent.mkdir(exist_ok=True)
            progress.write_text(str(done))
            return 1
        job.write("done.txt", b"%d" % done)
        return 0

    with a_worker_scene() as scene:
        file = scene.ledger.put("long.bin", b"x")
        other = scene.ledger.put("other.bin", b"x", is_alone=True)
        first = scene.start(work, with_checkpoints=True)
        scene.run(100)
        scene.stop(first)
        scene.run(60)
        (result,) = scene.ledger.results()
        assert (result["file"], result["outcome"], result["checkpoint"]) == (file, "handed back", True)
        assert scene.exit_code(first) == 0
        assert list(scene.ledger.objects()) == [f"{file}/1/.checkpoint"]
        # As batch_follow does: it waits again, and its fence stays.
        scene.ledger.hand_back(file)
        scene.start(work, with_checkpoints=True)
        scene.run(300)
        assert codes(scene) == {file: ("exited", 0)}
        assert seen[0] == "from 0"
        assert seen[1] in {"from 2", "from 3", "from 4"}
        assert scene.ledger.objects()[f"{file}/2/done.txt"] == b"10"
        # What is to be launched by itself is left.
        assert scene.ledger.file(other).claim is None


def test_a_command_that_ignores_its_end_is_killed_in_time_to_hand_back() -> None:
    def work(job: Job) -> int:
        while True:
            try:
                job.sleep(50)
            except Terminated:
                continue

    with a_worker_scene() as scene:
        file = scene.ledger.put("stubborn", b"x")
        task = scene.start(work)
        scene.run(60)
        scene.stop(task)
        scene.run(150)
        assert codes(scene) == {file: ("handed back", 143)}
        assert scene.exit_code(task) == 0


def test_a_file_that_was_taken_away_is_dropped_and_nothing_is_said_of_it() -> None:
    with a_worker_scene() as scene:
        file = scene.ledger.put("long", b"x")
        scene.start(taking(200))
        scene.run(60)
        scene.ledger.take_away(file)
        other = scene.ledger.put("short", b"x")
        scene.run(30)
        # It was not waited for: the other one is at hand within a heartbeat.
        assert scene.ledger.file(other).claim
        scene.run(300)
        assert codes(scene) == {other: ("exited", 0)}
        assert f"{file}/1/result.txt" not in scene.ledger.objects()


def test_without_heartbeats_a_worker_trusts_no_claim() -> None:
    with a_worker_scene() as scene:
        file = scene.ledger.put("long", b"x")
        task = scene.start(taking(250))
        scene.run(40)
        assert scene.ledger.file(file).claim
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage("dynamodb:UpdateItem", now + 1000, of_programs=True))
        scene.run(70)
        # It has dropped the file well before 90 seconds have passed, and it ends, since it can claim nothing.
        assert scene.cloud.calls.named("s3:PutObject")[-1].request_id == ""
        scene.run(100)
        assert scene.ledger.results() == []
        assert scene.ledger.objects() == {}
        assert scene.exit_code(task) == 1


def test_results_are_sent_when_the_queue_takes_them_again() -> None:
    with a_worker_scene() as scene:
        files = [scene.ledger.put(f"{number}", b"x") for number in range(12)]
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage("sqs:SendMessageBatch", now + 200, of_programs=True))
        scene.start(taking(10))
        scene.run(150)
        # It has stopped claiming by then.
        assert sum(scene.ledger.file(file).claim is not None for file in files) < 8
        assert scene.ledger.results() == []
        scene.run(300)
        claimed = [file for file in files if scene.ledger.file(file).claim]
        assert codes(scene) == dict.fromkeys(claimed, ("exited", 0))


@pytest.mark.parametrize("control", ["missing", "forbidden"])
def test_nothing_is_claimed_without_permission(control: str) -> None:
    with a_worker_scene() as scene:
        if control == "missing":
            scene.cloud.client("dynamodb").delete_item(TableName=scene.ledger.table, Key=CONTROL)
        else:
            scene.ledger.allow(claims=False)
        file = scene.ledger.put("a", b"x")
        task = scene.start(taking(5))
        scene.run(150)
        assert scene.ledger.file(file).claim is None
        assert scene.exit_code(task) == 0


def test_live_files_come_before_those_of_a_backfill_and_none_that_might_not_end_in_time() -> None:
    order: list[bytes] = []

    def work(job: Job) -> None:
        order.append(job.data)
        job.sleep(30)

    with a_worker_scene() as scene:
        for number in range(4):
            scene.ledger.put(f"behind {number}", b"behind", is_behind=True)
        for number in range(4):
            scene.ledger.put(f"live {number}", b"live")
        scene.start(work, minutes=FILE_SECONDS / 60 + 4)
        scene.run(600)
        assert order[:5] == [b"live"] * 4 + [b"behind"]
        assert len(order) < 8


def test_a_worker_waits_for_files_for_as_long_as_fargate_bills_anyway_and_no_longer() -> None:
    with a_worker_scene() as scene:
        task = scene.start(taking(5))
        scene.run(40)
        file = scene.ledger.put("late", b"x")
        scene.run(150)
        assert codes(scene) == {file: ("exited", 0)}
        described = scene.fargate.described(task)
        billed = (described["stoppedAt"] - described["pullStartedAt"]).total_seconds()
        assert 60 <= billed < 80


def test_files_that_wait_for_a_task_of_their_own_hide_no_others_and_are_not_read_again_and_again() -> None:
    with a_worker_scene() as scene:
        alone = [scene.ledger.put(f"alone {number}", b"x", is_alone=True) for number in range(120)]
        files = [scene.ledger.put(f"{number}", b"x") for number in range(8)]
        scene.start(taking(3))
        scene.run(200)
        assert codes(scene) == dict.fromkeys(files, ("exited", 0))
        reads = [call for call in scene.cloud.calls.named("dynamodb:GetItem") if call.is_by_program]
        read = [call.params["Key"]["sk"]["S"] for call in reads]
        assert max(read.count(file) for file in alone) == 1


def test_the_files_are_taken_nearly_in_the_order_in_which_they_came() -> None:
    order: list[int] = []

    def work(job: Job) -> None:
        order.append(int(job.data))
        job.sleep(1)

    with a_worker_scene() as scene:
        for number in range(80):
            scene.ledger.put(f"{number}", b"%d" % number)
            scene.run(1)
        for worker in range(4):
            scene.start(work, name=f"w{worker}")
        scene.run(150)
        assert sorted(order) == list(range(80))
        passed_over = [sum(other > number for other in order[:place]) for place, number in enumerate(order)]
        assert max(passed_over) < 40
        assert sum(passed_over) / len(order) < 8
