"""Runs a demo convention: one Valkey, N nodes, and the process of synthetic people.

Owns its child processes: they end with it. Knows nothing of rooms; ``cast`` does.
"""
