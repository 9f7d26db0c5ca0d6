"""Things that run firmware: virtual, emulated or real. One module or folder per tier."""
