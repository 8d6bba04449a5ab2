"""`make audit`, from the files of a user to what is written: with broken files, too."""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from berthmaster.security_groups.audit import main
from berthmaster.security_groups.model.topology import FlowLog
from tests.support.security_groups import cli_files
from tests.support.security_groups.cases import Case
from tests.support.security_groups.drawn import START
from tests.support.security_groups.log_files import LogFile, name_of

HTTPS, OTHER = "in tcp 443 0.0.0.0/0", "in tcp 22 0.0.0.0/0"
SYN, SYN_ACK = "54.1.2.3:40000 > 10.0.1.10:443 tcp S", "10.0.1.10:443 > 54.1.2.3:40000 tcp SA"
CASE = Case({HTTPS: "used", OTHER: "unused"}, (SYN, SYN_ACK))
BROKEN = replace(CASE.file(), path=name_of("fl-0a", 20))
"""What would be the second file of the flow log: broken, it says nothing."""


def audit(directory: Path, *files: LogFile) -> dict[str, Any]:
    """What `evidence.json` says of these and of the files that are there already."""
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)
    for file in files:
        file.write(logs)
    if not (directory / "topology").exists():
        cli_files.write(CASE.topology(), directory / "topology")
    assert main([str(logs), str(directory / "topology"), str(directory / "out")]) == 0
    assert (directory / "out" / "report.html").read_text().startswith("<!doctype html>")
    evidence: dict[str, Any] = json.loads((directory / "out" / "evidence.json").read_bytes())
    return evidence


def test_evidence_of_one_conversation(tmp_path: Path) -> None:
    evidence = audit(tmp_path, CASE.file())
    why = evidence["rules"][HTTPS].pop("why")
    assert why
    assert evidence["rules"][HTTPS] == {
        "group": "sg-web",
        "verdict": "used",
        "conversations": 1,
        "possible": 0,
        "knocks": 0,
        "first": "2023-11-14T22:10:00+00:00",
        "last": "2023-11-14T22:10:50+00:00",
        "exclusive": 1,
        "peers": ["54.1.2.3/32"],
        "ports": ["443-443"],
    }
    assert evidence["rules"][OTHER]["verdict"] == "unused"


def text(lines: list[str]) -> bytes:
    return gzip.compress("\n".join(lines).encode(), mtime=0)


LINES = BROKEN.text().splitlines()


def parquet(path: Path, query: str) -> None:
    """A Parquet file of the broken file's records, changed by a query."""
    whole = replace(BROKEN, path="whole.parquet").write(path.parent)
    duckdb.execute(f"COPY ({query.format(f"'{whole}'")}) TO '{path}' (FORMAT parquet)")
    whole.unlink()


HOSTILE: dict[str, tuple[str, bytes | Callable[[Path], None]]] = {
    "truncated gzip": ("log.gz", text(LINES)[:-20]),
    "gzip with other bytes in it": ("log.gz", text(LINES)[:100] + random.Random(1).randbytes(100) + text(LINES)[200:]),  # noqa: S311
    "no gzip": ("log.gz", b"\x1f\x8b" + random.Random(2).randbytes(500)),  # noqa: S311
    "binary": ("log", random.Random(3).randbytes(5000)),  # noqa: S311
    "no header line, of an unknown format": ("log.gz", text(LINES[1:])),
    "a header without srcaddr": ("log.gz", text([LINES[0].replace("srcaddr", "saddr"), *LINES[1:]])),
    "a header that names a field twice": ("log.gz", text([LINES[0].replace("vpc-id", "srcaddr"), *LINES[1:]])),
    "a line with too few fields": ("log.gz", text([*LINES, " ".join(LINES[1].split()[:-2])])),
    "a line with too many fields": ("log.gz", text([*LINES, LINES[1] + " more"])),
    "a line that ends too early": ("log.gz", text([*LINES, LINES[1][:30]])),
    "a port beyond 65535": ("log.gz", text([*LINES, LINES[1].replace(" 443 ", " 70000 ")])),
    "a port below 0": ("log.gz", text([*LINES, LINES[1].replace(" 443 ", " -1 ")])),
    "no address": ("log.gz", text([*LINES, LINES[1].replace("54.1.2.3", "54.1.2.300")])),
    "no number": ("log.gz", text([*LINES, LINES[1].replace(" 443 ", " https ")])),
    "no time": ("log.gz", text([*LINES, LINES[1].replace(str(START)[:5], "later")])),
    "no Parquet": ("parquet", b"PAR1" + random.Random(4).randbytes(500) + b"PAR1"),  # noqa: S311
    "Parquet with words for numbers": (
        "parquet",
        lambda path: parquet(path, "SELECT * REPLACE ('https' AS dstport) FROM {}"),
    ),
    "Parquet with a list": ("parquet", lambda path: parquet(path, "SELECT * REPLACE ([srcaddr] AS srcaddr) FROM {}")),
    "Parquet without action": ("parquet", lambda path: parquet(path, "SELECT * EXCLUDE (action) FROM {}")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_broken_file_is_credited_and_nothing_is_called_unused_that_it_may_show(
    name: str, tmp_path: Path
) -> None:
    ending, content = HOSTILE[name]
    path = tmp_path / "logs" / name_of("fl-0a", 20, ending=ending)
    path.parent.mkdir(parents=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    evidence = audit(tmp_path, CASE.file())
    assert evidence["rules"][HTTPS]["conversations"] == 1
    assert evidence["rules"][HTTPS]["verdict"] == "used"
    assert evidence["rules"][OTHER]["verdict"] == "unknown"
    [gap] = [gap for gap in evidence["gaps"] if path.name in gap["what"]]
    assert gap["groups"] == ["sg-db", "sg-more", "sg-web"]
    assert "\n" not in gap["what"]


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0), text([LINES[0]]), (LINES[0] + "\n").encode()])
def test_an_empty_file_says_nothing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "logs" / name_of("fl-0a", 20, ending="log.gz" if content.startswith(b"\x1f") else "log")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    evidence = audit(tmp_path, CASE.file())
    assert {rule: one["verdict"] for rule, one in evidence["rules"].items()} == CASE.rules


def test_a_file_that_came_twice_counts_once(tmp_path: Path) -> None:
    file = CASE.file()
    once = audit(tmp_path, file)
    twice = audit(tmp_path, replace(file, path=f"again/{Path(file.path).name}"))
    assert len(list((tmp_path / "logs").rglob("*.log.gz"))) == 2
    assert twice["rules"] == once["rules"]


def test_fields_that_nobody_knows_yet_pass(tmp_path: Path) -> None:
    file = CASE.file()
    rows = tuple({**row, "next-field": "some%20value"} for row in file.rows)
    evidence = audit(tmp_path, replace(file, fields=("next-field", *file.fields), rows=rows))
    assert evidence["rules"][HTTPS]["verdict"] == "used"


def test_files_with_other_names_are_named(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "notes.md").write_text("not a log")
    evidence = audit(tmp_path, CASE.file())
    assert [gap["groups"] for gap in evidence["gaps"] if "notes.md" in gap["what"]] == [[]]
    assert evidence["rules"][OTHER]["verdict"] == "unused"


def test_files_without_a_name_do_not_stand_for_a_flow_log_that_they_do_not_tell_of(tmp_path: Path) -> None:
    logs = (FlowLog(id=id_, resource=vpc, aggregation=60) for id_, vpc in (("fl-0a", "vpc-a"), ("fl-0b", "vpc-b")))
    far = "sg-far in tcp 443 0.0.0.0/0"
    case = Case({**CASE.rules, far: "unknown"}, CASE.records, logs=tuple(logs))
    cli_files.write(case.topology(), tmp_path / "topology")
    evidence = audit(tmp_path, replace(case.file(), path="renamed.log.gz"))
    assert {rule: one["verdict"] for rule, one in evidence["rules"].items()} == case.rules


def test_what_cannot_be_used_at_all_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    cli_files.write(CASE.topology(), tmp_path / "topology")
    arguments = [str(tmp_path / "logs"), str(tmp_path / "topology"), str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "FLOW_LOGS" in capsys.readouterr().err
    CASE.file().write(tmp_path / "logs")
    (tmp_path / "topology" / "security-groups.json").write_text("[]")
    assert main(arguments) == 2
    assert "security-groups.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
