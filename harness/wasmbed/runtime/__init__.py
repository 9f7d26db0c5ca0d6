"""What a WebAssembly application may expect of any device, and whether a given module keeps to it.

The gateway judges modules here before it sends them, the virtual board runs them against the same table, and the
firmware is tested against it. ``docs/host-interface.md`` is the same for people.
"""
