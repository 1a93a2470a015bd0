"""Recordings of rooms: who is in them, the process that writes them, and their places on disk.

Consent is decided here, from the room's present, each time anything changes in it.
Writes no media itself and knows no HTTP.
"""
