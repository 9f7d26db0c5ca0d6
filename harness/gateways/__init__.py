"""The kinds of gateways under test: one module for each, behind :class:`harness.gateways.gateway.Gateway`."""
