"""A suite's shards as the indexes of a Kubernetes Job: started, watched, and their results fetched.

The nodes' disks are the only storage: a shard's pod keeps its results until they were read through the API server. So
no claim is needed that several nodes can write to, and no pod has to reach anything.
"""
