"""The cluster kind ``kubeconfig``: a cluster that exists already; and what every kind that is reached over the network
has in common with it."""

from harness.clusters.existing.cluster import KubeconfigCluster

__all__ = ["KubeconfigCluster"]
