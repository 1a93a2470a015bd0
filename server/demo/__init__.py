"""A small living convention on one machine, for newcomers, screenshots and tests.

Everything in it goes the way of real people: rooms through the HTTP API, pictures
and sound through WHIP and the SFU, chat through the socket. Only the faces are drawn.
"""
