"""What keeps overlapping functions of targets apart."""

from tests.simulation.mutations import Mutation

MUTATIONS: tuple[Mutation, ...] = ()
