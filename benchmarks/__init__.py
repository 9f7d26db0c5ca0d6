"""Measurements: each figure against a peer or a limit, in the same run, on the same machine."""
