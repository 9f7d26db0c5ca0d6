"""The protocol between device and gateway: messages, their encoding, and frames. ``wasmbed.cddl`` is the contract."""
