"""Exploration: random schedules of faults against a simulated stack, led by what is new in their histories."""
