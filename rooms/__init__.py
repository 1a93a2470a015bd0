"""The domain: rooms, the people in them, what they may do, and what happened.

Standard library only. Everything but ``rooms.actions`` is pure: no clock, no
event loop, no storage. Time arrives as an argument, in milliseconds since the
Unix epoch (``*_ms``).
"""
