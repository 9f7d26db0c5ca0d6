"""The platform's resources in Kubernetes: three custom resources, their phases, and the port to the API server."""
