"""A recording relay between boards and any gateway."""

from harness.gateways.relay.link import KeyOf, LinkFault
from harness.gateways.relay.passing import Tamper
from harness.gateways.relay.relay import Relay

__all__ = ["KeyOf", "LinkFault", "Relay", "Tamper"]
