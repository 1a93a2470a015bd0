"""Between people and the media worker: who sends what, who receives what, over which links.

Wishes go down (commands, events, tiles), facts come up (the worker's notices).
Knows no packet and no SQL.
"""
