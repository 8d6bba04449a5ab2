"""Rules are credited as a slow reading of the same records credits them."""

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.observe import flow_files
from tests.support.security_groups import drawn
from tests.support.security_groups.comparison import differences


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_files_say_of_rules_what_a_slow_reading_of_their_records_says(data: st.DataObject) -> None:
    topology = data.draw(drawn.topologies())
    files = data.draw(drawn.log_files(topology))
    batches = mock.patch.object(flow_files, "BATCH_BYTES", data.draw(st.sampled_from((1, flow_files.BATCH_BYTES))))
    with batches, TemporaryDirectory() as directory:
        assert not differences(files, topology, Path(directory))
