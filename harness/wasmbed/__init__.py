"""Wasmbed, the platform under test: WebAssembly applications on microcontrollers, held together by Kubernetes.

A real one: other people's devices and ``kubectl`` can talk to it. It takes its clock, network, randomness and
Kubernetes API as arguments and knows nothing of tests.
"""
