"""The infrastructure service, a program of its own: certificates of devices, secrets, and its log and metrics.

It issues, lists, renews and revokes certificates over a REST API that is made like the platform's own
(``harness.wasmbed.api``), and answers clients that check them: a revocation list and an OCSP responder (RFC 6960).
``docs/how-to/infrastructure.md`` is the guide.
"""
