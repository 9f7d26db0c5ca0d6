"""The controllers of devices, applications, and gateways, which move actual state toward the specs.

They follow Kubernetes' controller-runtime: a local copy of the cluster, a work queue of keys, reconcilers that look at
the whole state of one key each time, and a lease that lets one of several managers act.
"""

from harness.wasmbed.controllers.manager import CONTROLLERS, ControllerManager, ControllerSettings

__all__ = ["CONTROLLERS", "ControllerManager", "ControllerSettings"]
