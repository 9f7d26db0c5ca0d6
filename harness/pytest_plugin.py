"""The pytest front door."""
