"""Our answers to offers: of those who publish (WHIP, browsers) and of WHEP players."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from media.parameters import DtlsRole, TransportParameters
from media.rpc import Kind
from media.sdp.model import SessionDescription
from media.sdp.tracks import OutgoingTrack, PlayerAgreement, PublisherAgreement


def answer_publisher(
    offer: SessionDescription,
    *,
    local: TransportParameters,
    candidates: Sequence[str],
    accept: Collection[str] | None = None,
    role: DtlsRole | None = None,
) -> PublisherAgreement:
    """Takes what the peer wants to send, one codec a line, VP8 and Opus first.

    Args:
        candidates: as ``MediaPort.candidates``.
        accept: mids to take, None for every sending audio or video line; others are inactive.
        role: ours in DTLS so far, None at the first offer.

    Raises:
        SdpError: nothing in the offer can be taken, or it is broken as a whole.
    """
    raise NotImplementedError


def answer_player(
    offer: SessionDescription,
    *,
    local: TransportParameters,
    candidates: Sequence[str],
    tracks: Mapping[Kind, OutgoingTrack],
    role: DtlsRole | None = None,
) -> PlayerAgreement:
    """Sends at most one track of each kind to a peer that offers to receive.

    Raises:
        NoCodecError: the offer has no codec for a track in ``tracks``.
        SdpError: as ``answer_publisher``.
    """
    raise NotImplementedError
