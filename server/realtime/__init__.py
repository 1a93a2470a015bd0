"""The real-time core: who is in which room, and every event to everybody, once and in order.

Redis holds the present (lua/), ``bus`` carries numbered events between nodes,
``mirror`` keeps a room's copy on each node that has people in it, ``sio`` and
``dispatch`` speak with clients. Nothing of media and no SQL.
"""
