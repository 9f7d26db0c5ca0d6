"""Conformance kits: what every cluster kind and every board tier has to do, for third parties too."""
