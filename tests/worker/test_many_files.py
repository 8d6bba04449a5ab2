"""Workers that share the files of a pipeline, in virtual time."""

from simulator.workload.workers import taking
from tests.support.batch.worker_scene import a_worker_scene

FILES = 20


def test_three_workers_process_each_file_once() -> None:
    with a_worker_scene() as scene:
        files = {scene.put(f"{number}.txt", b"%d" % number): number for number in range(FILES)}
        tasks = [scene.start(taking(7), name=f"w{number}") for number in range(3)]
        scene.run(400)
        results = scene.results()
        assert sorted(one["file"] for one in results) == sorted(files)
        assert {(one["outcome"], one["exitCode"]) for one in results} == {("exited", 0)}
        assert {one["worker"] for one in results} == {"w0", "w1", "w2"}
        assert scene.objects() == {f"{file}/1/result.txt": b"result of %d" % number for file, number in files.items()}
        leases = {item["sk"]["S"]: item["claim"]["M"]["lease"]["S"] for item in scene.items()}
        assert leases == {one["file"]: one["lease"] for one in results}
        for task in tasks:
            described = scene.fargate.described(task)
            assert described["containers"][0]["exitCode"] == 0
