"""The SFU: ICE-lite, DTLS, SRTP and forwarding of RTP that is never decoded.

Knows tracks and peers. Knows no person, venue, HTTP, Redis or SQL: a node says
over ``media.rpc`` what it wants, and the worker reports what is.
"""
