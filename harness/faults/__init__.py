"""Faults as data: what can go wrong, where, and when; schedules of faults, applied to a running stack.

A fault (``fault``) is a small class with parameters; it acts through the actions that tests have by hand, of whatever
:class:`~harness.faults.world.World` it is given. A schedule (``schedule``) is a list of faults, each with its moment: a
time, or an arrow of a sequence (``moments``). The injector applies it, and tells which faults did not apply.
"""

import harness.faults.applications
import harness.faults.boards
import harness.faults.certificates
import harness.faults.clusters
import harness.faults.gateways
import harness.faults.links  # noqa: F401
from harness.faults.fault import FAULTS, Fault, Strikes, make_fault
from harness.faults.injector import Injector
from harness.faults.moments import ArrowMoment, Side, TimeMoment
from harness.faults.reading import read_schedule
from harness.faults.schedule import Entry, Schedule
from harness.faults.world import World

__all__ = [
    "FAULTS",
    "ArrowMoment",
    "Entry",
    "Fault",
    "Injector",
    "Schedule",
    "Side",
    "Strikes",
    "TimeMoment",
    "World",
    "make_fault",
    "read_schedule",
]
