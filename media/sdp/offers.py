"""Our offers to one subscriber, over its life: mids stay, idle m-lines are used again."""

from __future__ import annotations

from collections.abc import Sequence

from media.parameters import TransportParameters
from media.sdp.tracks import OutgoingTrack, SubscriberAgreement


class SubscriberOffers:
    """The m-lines of one subscriber connection."""

    def set(self, tracks: Sequence[OutgoingTrack]) -> bool:
        """The whole wish; True if a new offer is needed. Matches by ``track`` id."""
        raise NotImplementedError

    @property
    def tracks(self) -> dict[str, str]:
        """Mid to track id of the active m-lines."""
        raise NotImplementedError

    def offer(self, local: TransportParameters, candidates: Sequence[str]) -> str:
        """The next offer, with a version one higher than the last."""
        raise NotImplementedError

    def accept(self, text: str) -> SubscriberAgreement:
        """The peer's answer to the last offer.

        Raises:
            SdpError: it does not fit that offer.
        """
        raise NotImplementedError
