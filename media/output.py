"""Who receives a track, where its feedback goes, and the receivers of a layer in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from media.core.extensions import ExtensionIds, Translation, Wire
from media.core.packet import Packet
from media.core.rtcp import SenderReport
from media.core.source import Source
from media.fan import Fan, Sitting

if TYPE_CHECKING:
    from media.layer import Layer


class Upstream(Protocol):
    """Where a track comes from and its feedback goes.

    Attributes:
        rtt: round trip to there, seconds.
    """

    rtt: float

    def send_feedback(self, packet: bytes) -> None:
        """Send an RTCP packet towards the origin."""


class Output(Protocol):
    """Whoever receives a track: a subscriber's or player's down track, or a relay link.

    Attributes:
        ids: header extensions as they are numbered there.
        redundant: takes redundant audio (RFC 2198) as it is.
    """

    ids: ExtensionIds
    redundant: bool

    def forward(self, packet: Packet, wire: Wire, now: float) -> None:
        """Send the packet on, or not. ``wire``: the packet with extensions as in ``ids``."""

    def settle(self, source: Source, newest: int) -> Sitting | None:
        """Take a seat if all packets after ``newest`` are wanted, under constant numbers.

        It gets them through the fan, no more by ``forward``, until it stands up.
        """

    def broken(self, error: Exception) -> None:
        """It raised while forwarding and gets no more."""

    def sender_reported(self, layer: Layer, report: SenderReport) -> None:
        """The origin told its clock."""

    def source_changed(self, layer: Layer) -> None:
        """The layer is sent by another (or the first) source now."""

    def hold_changed(self) -> None:
        """The track was held or let go."""

    def background_changed(self) -> None:
        """The voice came among the loudest of its room or is no more."""


class Group:
    """The outputs of a layer that number header extensions alike.

    ``outputs`` get its packets one by one, ``seated`` by the fan.
    """

    __slots__ = ("fan", "outputs", "seated", "translation")

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self.outputs: list[Output] = []
        self.seated: dict[Output, Sitting] = {}
        self.fan = Fan(translation)

    def __contains__(self, output: Output) -> bool:
        return output in self.seated or output in self.outputs

    def remove(self, output: Output) -> None:
        sitting = self.seated.pop(output, None)
        if sitting is not None:
            sitting.stand()
        else:
            # A new list: the old one may be in use further up the stack.
            self.outputs = [other for other in self.outputs if other is not output]

    def unseat(self, output: Output) -> None:
        """Hand packets to it one by one again; it stood up or is made to."""
        sitting = self.seated.pop(output, None)
        if sitting is not None:
            sitting.stand()
            self.outputs = [*self.outputs, output]

    def unseat_all(self) -> None:
        if self.seated:
            self.fan.dismiss()
            self.outputs = [*self.outputs, *self.seated]
            self.seated = {}
