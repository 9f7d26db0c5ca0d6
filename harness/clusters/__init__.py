"""Where the Kubernetes API lives. One module or folder per kind; each is an adapter to ``ResourceApi``."""
