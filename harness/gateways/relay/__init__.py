"""A recording relay between boards and any gateway."""

from harness.gateways.relay.link import LinkFault
from harness.gateways.relay.negotiation import KeyOf
from harness.gateways.relay.passing import Tamper
from harness.gateways.relay.relay import Relay

__all__ = ["KeyOf", "LinkFault", "Relay", "Tamper"]
