"""Loads the plugin, nothing else: an installed harness has done so already, by its entry point of the same name."""

pytest_plugins = ["harness.pytest_plugin"]
