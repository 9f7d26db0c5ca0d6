"""A stack in virtual time: one event loop whose time jumps to the next timer, in-memory sockets, no threads."""

from harness.sim.simulation import Simulation
from harness.sim.tier import SimNativeTier, SimTier

__all__ = ["SimNativeTier", "SimTier", "Simulation"]
