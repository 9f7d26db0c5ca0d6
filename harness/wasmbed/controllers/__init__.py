"""What turns specs into facts: reconcilers for devices, applications and gateways, on list and watch.

The ideas are those of Kubernetes' controller-runtime, kept small: a local copy of the cluster, a work queue of keys,
reconcilers that look at the whole state of one key each time, and a lease that lets one of several managers act.
"""

from harness.wasmbed.controllers.manager import ControllerManager, ControllerSettings

__all__ = ["ControllerManager", "ControllerSettings"]
