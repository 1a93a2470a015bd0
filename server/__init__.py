"""The process around the domain: HTTP, Socket.IO, signalling, bus, presence, storage.

The only package that imports ``rooms`` and (its RPC types only) ``media``.
"""
