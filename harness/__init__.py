"""The test and simulation harness for Wasmbed.

``harness.wasmbed`` is the platform under test and knows nothing of tests; the rooms around it bring it up
(``clusters``, ``boards``, ``stack``), drive it (the front doors) and judge what was recorded (``sequences``,
``invariants``, ``reporting``). The import contract in ``pyproject.toml`` keeps the arrows one way.
"""
