"""Workers as processes of the operating system, killed and stopped for real."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SAID
from tests.support.batch.worker_ledger import ROOT
from tests.worker.real import FULL, Processes, Size

COPY = ["sh", "-c", 'cat "$0" "$0" > "$1/twice"', "{input}", "{output}"]
MIB = 1024 * 1024
MEMORY = 150
CALLABLE = """
import os, signal, sys
import berthmaster_worker

def process(job):
    content = job.input.read_text()
    if content == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    if content == "exits":
        sys.exit(7)
    if content == "raises":
        raise ValueError(content)
    with job.create(f"deep/{content}") as file:
        file.write(f"{os.getpid()} {job.attempt} {job.source.key}".encode())

if __name__ == "__main__":
    berthmaster_worker.run(process)
"""


@pytest.mark.long
def test_workers_that_are_killed_at_random_moments_leave_one_result_for_each_file(real: Processes, size: Size) -> None:
    count, workers, kills = size.killed
    files = {real.ledger.put(f"{number} é+%20'\n", b"%d" % number): number for number in range(count)}
    draws = random.Random(7)  # noqa: S311 - a seed
    for _ in range(workers):
        real.start(COPY)
    for _ in range(kills):
        until = time.monotonic() + draws.uniform(0.1, 2.0)
        while time.monotonic() < until:
            real.follow()
        real.kill(draws.choice(sorted(real.running)))
        real.start(COPY)
    real.follow_until(count, seconds=120)
    assert {file: len(results) for file, results in real.accepted.items()} == dict.fromkeys(files, 1)
    objects = real.ledger.objects()
    for file, (result,) in real.accepted.items():
        assert objects[f"{file}/{result['fence']}/twice"] == b"%d" % files[file] * 2


@pytest.mark.long
def test_workers_that_share_many_files_process_each_of_them_once(real: Processes, size: Size) -> None:
    if size is not FULL:
        pytest.skip("--worker-processes")
    count, workers = 2000, 8
    files = {real.ledger.put(f"{number}", b"%d" % number): number for number in range(count)}
    names = [real.start(COPY) for _ in range(workers)]
    real.follow_until(count, seconds=600)
    assert {file: len(results) for file, results in real.accepted.items()} == dict.fromkeys(files, 1)
    assert real.ignored == 0
    # Nothing was begun twice, either.
    assert sorted(real.ledger.objects()) == sorted(f"{file}/1/twice" for file in files)
    assert [real.end(name) for name in names] == [0] * workers


def test_a_worker_hands_back_on_sigterm_with_what_its_command_has_left(real: Processes) -> None:
    long = [
        "sh",
        "-c",
        'trap "echo 3 > $0/step; exit 1" TERM; touch "$1/part"; sleep 60 & wait',
        "{checkpoint}",
        "{output}",
    ]
    goes_on = ["sh", "-c", 'cp "$0/step" "$1/from"', "{checkpoint}", "{output}"]
    file = real.ledger.put("long.bin", b"x")
    worker = real.start(long)
    _wait_until(lambda: real.ledger.file(file).claim is not None)
    time.sleep(1)
    began = time.monotonic()
    real.running[worker].send_signal(signal.SIGTERM)
    assert real.end(worker) == 0
    assert time.monotonic() - began < 30
    (result,) = real.ledger.results()
    assert (result["file"], result["outcome"], result["checkpoint"]) == (file, "handed back", True)
    assert list(real.ledger.objects()) == [f"{file}/1/.checkpoint"]
    real.ledger.hand_back(file)
    assert real.end(real.start(goes_on)) == 0
    assert real.ledger.objects()[f"{file}/2/from"] == b"3\n"


def test_a_large_file_goes_through_little_memory(
    real: Processes, size: Size, record_property: Callable[[str, object], None]
) -> None:
    _put_large(real, "large.bin", size.large * MIB)
    worker = real.start(["cp", "{input}", "{output}/copy.bin"])
    memory = real.most_memory(worker)
    assert real.end(worker) == 0
    real.follow()
    ((file, (result,)),) = real.accepted.items()
    listed = real.ledger.client("s3").list_objects_v2(Bucket=real.ledger.output)["Contents"]
    assert [(one["Key"], one["Size"]) for one in listed] == [(f"{ROOT}{file}/1/copy.bin", size.large * MIB)]
    assert result["bytes"] == size.large * MIB
    record_property(SAID, f"{size.large} MiB went through a worker that had {memory} MiB at most")
    assert memory < MEMORY


def test_a_callable_keeps_its_process_from_file_to_file_until_a_file_kills_it(real: Processes) -> None:
    program = real.folder / "program.py"
    program.write_text(CALLABLE)
    kinds = ["kills", "exits", "raises", *(f"good{number}" for number in range(12))]
    files = {real.ledger.put(f"{kind}.txt", kind.encode()): kind for kind in kinds}
    worker = real.start_program([sys.executable, str(program)])
    assert real.end(worker) == 0
    codes = {files[one["file"]]: (one["outcome"], one["exitCode"]) for one in real.ledger.results()}
    expected = {kind: ("exited", 0) for kind in kinds if kind.startswith("good")}
    assert codes == expected | {"kills": ("exited", 137), "exits": ("exited", 7), "raises": ("exited", 1)}
    written = [value.decode().split() for value in real.ledger.objects().values()]
    assert {(attempt, key) for _, attempt, key in written} == {("1", f"{kind}.txt") for kind in expected}
    # One for all, and another one after the file that has killed it.
    assert len({pid for pid, _, _ in written}) <= 2


def test_a_task_for_one_file_ends_as_its_command_does(real: Processes, tmp_path: Path) -> None:
    file = real.ledger.file(real.ledger.put("a.txt", b"x"))
    one = {
        "BERTHMASTER_FILE": file.id,
        "BERTHMASTER_INPUT_BUCKET": real.ledger.incoming,
        "BERTHMASTER_INPUT_KEY": file.key,
        "BERTHMASTER_INPUT_VERSION_ID": file.version_id,
        "BERTHMASTER_INPUT_ETAG": file.etag,
        "BERTHMASTER_OUTPUT_PREFIX": f"ocr/.berthmaster/attempts/{file.id}/2/",
        "BERTHMASTER_ATTEMPT": "2",
    }
    assert real.end(real.start(COPY, **one)) == 0
    assert real.ledger.objects() == {f"{file.id}/2/twice": b"xx"}
    assert real.end(real.start(["sh", "-c", "kill -9 $$"], **one)) == 137
    assert real.ledger.file(file.id) == file
    assert real.ledger.results() == []
    assert not list(Path(tmp_path).glob("berthmaster-*"))


def _put_large(real: Processes, key: str, size: int) -> None:
    s3 = real.ledger.client("s3")
    upload = s3.create_multipart_upload(Bucket=real.ledger.incoming, Key=key)["UploadId"]
    part = os.urandom(32 * MIB)
    etags = [
        s3.upload_part(Bucket=real.ledger.incoming, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number in range(1, size // len(part) + 1)
    ]
    parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
    answer = s3.complete_multipart_upload(
        Bucket=real.ledger.incoming, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    real.ledger.add(key, etag=answer["ETag"].strip('"'), version_id=answer["VersionId"])


def _wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)
