"""The platform's REST API: what dashboards, scripts and people use who do not talk to Kubernetes themselves.

Each operation is declared once, with the types of its body and its answer. The same declaration routes a request,
checks it, asks for the caller's right, and becomes a part of the OpenAPI document.
"""
