"""One open cloud for a test, and the little that most of these tests begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1) as cloud:
        yield cloud


@pytest.fixture
def vpc_id(cloud: Cloud) -> str:
    identifier: str = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return identifier
