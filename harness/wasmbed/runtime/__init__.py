"""The host interface and the limits of WebAssembly applications on every device, and the validation of modules.

The gateway validates modules here before it sends them. Virtual boards run modules with the same table, and the
firmware is tested against it. ``docs/host-interface.md`` documents it.
"""
