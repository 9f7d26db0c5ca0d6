"""Access: users, impersonation, roles and bindings (RBAC), reviews, and the tokens of ServiceAccounts.

The harness's own clients, and those with the cluster's token, are in ``system:masters``, to which everything is allowed
without a look at any role.
"""
