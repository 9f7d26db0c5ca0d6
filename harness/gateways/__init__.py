"""Whose gateway is under test: one module for each kind, behind :class:`harness.gateways.gateway.Gateway`."""
