"""More peers than there is memory for end the reading: nothing is credited by half."""

from dataclasses import replace
from pathlib import Path

import pytest

from berthmaster.security_groups.observe.flow_files import read
from berthmaster.security_groups.observe.flow_formats import UnreadableFile
from tests.support.security_groups.cases import Case

SCANNERS = tuple(f"54.1.2.{number}:40000 > 10.0.1.10:443 tcp S" for number in range(1, 11))
CASE = Case({"in tcp 443 0.0.0.0/0": "scanned only"}, SCANNERS)


def test_as_many_flows_as_there_may_be_are_read_and_one_more_is_refused(tmp_path: Path) -> None:
    path = replace(CASE.file(), path="records.log.gz").write(tmp_path)
    assert len(read([path], CASE.topology(), most_flows=10).flows) == 10
    with pytest.raises(UnreadableFile, match="more than 9 different things"):
        read([path], CASE.topology(), most_flows=9)
