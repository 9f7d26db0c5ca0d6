"""The wire between a device and the gateway: messages, their encoding, frames. ``wasmbed.cddl`` is the contract."""
