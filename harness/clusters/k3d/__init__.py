"""The cluster kind ``k3d``: Kubernetes in Docker containers, made for a session by the program k3d."""

from harness.clusters.k3d.cluster import K3dCluster

__all__ = ["K3dCluster"]
