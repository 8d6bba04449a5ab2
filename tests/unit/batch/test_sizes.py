"""Fargate's sizes, and which comes after another."""

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.sizes import SIZES, next_memory


def test_all_sizes_of_fargate_are_known() -> None:
    """The corners of the table in the Developer Guide, and how many sizes each CPU has."""
    counts = {cpu: sum(size.cpu == cpu for size in SIZES) for cpu in (256, 512, 1024, 2048, 4096, 8192, 16384)}
    assert counts == {256: 3, 512: 4, 1024: 7, 2048: 13, 4096: 23, 8192: 12, 16384: 12}
    assert sum(counts.values()) == len(set(SIZES))
    corners = [(256, 2048), (512, 4096), (1024, 8192), (2048, 16384), (4096, 30720), (8192, 61440), (16384, 122880)]
    assert {Size(*corner) for corner in corners} < set(SIZES)


@given(st.sampled_from(SIZES))
def test_the_next_size_has_the_least_more_memory_on_the_same_cpu_if_that_allows_it(size: Size) -> None:
    larger = next_memory(size.cpu, size.memory)
    more = [one for one in SIZES if one.cpu >= size.cpu and one.memory > size.memory]
    if larger is None:
        assert not more
        return
    assert larger in more
    assert larger.cpu == min(one.cpu for one in more)
    assert larger.memory == min(one.memory for one in more if one.cpu == larger.cpu)


@given(st.integers(1, 20_000), st.integers(1, 150_000))
def test_any_numbers_lead_to_a_valid_size_and_on_to_the_top(cpu: int, memory: int) -> None:
    """Task definitions can hold what Fargate does not offer, such as an EC2 task's."""
    seen = 0
    while larger := next_memory(cpu, memory):
        assert larger in SIZES
        assert larger.memory > memory
        cpu, memory, seen = larger.cpu, larger.memory, seen + 1
    assert seen <= len(SIZES)


def test_a_size_is_said_in_vcpu_and_gb() -> None:
    assert str(next_memory(256, 2048)) == "0.5 vCPU and 3 GB"
    assert str(next_memory(256, 256)) == "0.25 vCPU and 0.5 GB"
