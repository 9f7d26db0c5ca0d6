"""The cluster kind ``envtest``: the binaries that Kubernetes' own controller tests use, kube-apiserver and etcd."""

from harness.clusters.envtest.cluster import EnvtestCluster

__all__ = ["EnvtestCluster"]
