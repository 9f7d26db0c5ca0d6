"""CEL rules of custom resources (``x-kubernetes-validations``), evaluated by cel-cpp.

The library parses, checks and evaluates; here are Kubernetes' functions, the types that rules take from schemas, and
the words of its refusals.
"""
