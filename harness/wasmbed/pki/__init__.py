"""The public key infrastructure: authorities, identities, signing requests, revocation, and TLS contexts (RFC 5280).

There are two kinds of authorities: those that sign gateways, which devices trust, and the one that signs devices,
which gateways trust. Rooms exchange certificates as DER.
"""
