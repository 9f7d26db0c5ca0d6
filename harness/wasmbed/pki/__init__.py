"""Who is who: authorities, identities, signing requests, revocation, and the TLS contexts made of them (RFC 5280).

Two authorities exist in a world: the one that signs gateways, which devices trust, and the one that signs devices,
which gateways trust. Certificates are DER wherever they are handed from room to room.
"""
