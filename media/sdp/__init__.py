"""SDP (RFC 8866) as WebRTC uses it (JSEP, RFC 9429): parse, build, negotiate.

``parse`` reads any offer or answer within bounds, in one pass, and raises only
``SdpError``. ``answer_publisher``, ``answer_player`` and ``SubscriberOffers``
decide what is said back. Knows no socket: what goes in the lines is passed in.
"""

from media.sdp.answers import answer_player, answer_publisher
from media.sdp.build import build
from media.sdp.fragment import IceFragment, build_fragment, parse_fragment
from media.sdp.model import Codec, NoCodecError, SdpError, Section, SessionDescription
from media.sdp.offers import SubscriberOffers
from media.sdp.parse import parse
from media.sdp.tracks import (
    IncomingTrack,
    OutgoingLine,
    OutgoingTrack,
    PlayerAgreement,
    PublisherAgreement,
    SubscriberAgreement,
)

__all__ = [
    "Codec",
    "IceFragment",
    "IncomingTrack",
    "NoCodecError",
    "OutgoingLine",
    "OutgoingTrack",
    "PlayerAgreement",
    "PublisherAgreement",
    "SdpError",
    "Section",
    "SessionDescription",
    "SubscriberAgreement",
    "SubscriberOffers",
    "answer_player",
    "answer_publisher",
    "build",
    "build_fragment",
    "parse",
    "parse_fragment",
]
