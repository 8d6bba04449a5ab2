"""Moto's backends, of which some are loaded while a cloud is open."""

from moto.core.base_backend import BackendDict
from moto.ec2.models import EC2Backend

from simulator.cloud import Cloud


def loaded_in_a_cloud() -> BackendDict[EC2Backend]:
    """What moto makes when a service is used for the first time, at the same step of the same seed."""
    with Cloud(seed=1):
        return BackendDict(EC2Backend, "ec2")


def test_services_that_are_loaded_in_clouds_with_the_same_seed_are_told_apart() -> None:
    assert hash(loaded_in_a_cloud()) != hash(loaded_in_a_cloud())
