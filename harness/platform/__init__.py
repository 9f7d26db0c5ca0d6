"""The platform on one machine, as an operator runs it: programs of their own, kept running by a supervisor.

``wasmbed.toml`` says what runs (:mod:`harness.platform.settings`); the supervisor starts the API server, the gateways,
the controllers and the REST API, starts again what ends, and keeps their logs. ``wasmbed platform`` talks to it over a
socket in its folder. A stack (:mod:`harness.stack`) is another thing: it lives in a test, and records everything.
"""
