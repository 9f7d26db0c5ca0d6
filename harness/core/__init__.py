"""The foundation of every other room: time, network, randomness, histories, and errors with blame.

No code outside this package reads a clock, sleeps, draws randomness, or opens a socket by itself. Platform and
harness code get these as arguments, so that a test can pass its own.
"""
