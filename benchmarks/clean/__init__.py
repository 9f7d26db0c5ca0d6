"""Histories of platforms at which nothing is wrong: how many of them the judges pass (``make clean-histories``)."""
