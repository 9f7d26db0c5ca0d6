"""What every other room stands on: time, network, randomness, the record of a run, and blame.

Nothing outside this package reads a clock, sleeps, draws randomness or opens a socket on its own: platform and
harness code receive these as arguments, so that a test can hand in its own.
"""
