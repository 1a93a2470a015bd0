"""A small WebRTC client for servers that are ICE-lite: publishes and receives RTP.

Made of the same parts as the server's transports. Makes offers and takes answers,
or the other way round; carries encoded packets only. No HTTP, no codecs.
"""

from media.client.client import MediaClient
from media.client.descriptions import ReceivedLine
from media.client.stream import OutgoingStream

__all__ = ["MediaClient", "OutgoingStream", "ReceivedLine"]
