"""Conformance kits: the rules that every kind of cluster and every tier of boards keeps, also for third parties."""
