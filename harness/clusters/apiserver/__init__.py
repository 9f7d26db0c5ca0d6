"""The cluster kind ``apiserver``: a real kube-apiserver and etcd, in one program that is built here.

Its sources are in the repository's folder ``apiserver``; ``make apiserver`` builds it.
"""

from harness.clusters.apiserver.cluster import ApiserverCluster

__all__ = ["ApiserverCluster"]
