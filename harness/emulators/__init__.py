"""Boards by resource: a Device asks for a board, and an emulator manager starts, watches, and stops it.

It is above ``boards``, which it uses, and serves ``wasmbed``: it reads Devices and writes their ``status.board``.
"""
