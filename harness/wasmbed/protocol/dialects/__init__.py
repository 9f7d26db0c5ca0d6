"""The wires of the original Wasmbed, which existing gateways and devices speak.

:mod:`.u` is that of its first repository: the frame and the envelope of version 1, with version 0 and heartbeats only.
:mod:`.r` is that of its fork: bare messages, without frames. Both have integers of any width, and messages of their own
(:mod:`.messages`) where those of version 1 do not fit.
"""
