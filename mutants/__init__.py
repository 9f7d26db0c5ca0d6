"""Defects put into the platform, the boards and the firmware one by one, to see whether the scenarios catch them."""
