"""Which frames of a source a receiver gets: up to a spatial and a temporal layer.

Limits are wished for at any time and come true where the stream allows it: by the
dependency descriptor where packets have one (AV1 RTP specification, appendix A), else
by what the codec tells (RFC 7741 §4.2: Y, RFC 9628 §4.2: U).
"""

from __future__ import annotations

from media.core.dependency import Descriptor, Indication, Structure
from media.core.packet import Packet

EVERY = 7
"""No limit: layers are numbered with 3 bits at most."""


class Selection:
    """Owner: the forwarder.

    Args:
        layered: the codec may have spatial layers in one stream (its ``inspect`` sets
            ``spatial``, ``ends`` and ``dependency``).

    Attributes:
        whole: nothing is left out and nothing else wished.
        stuck: the spatial layer wished for can only be joined at a keyframe.
        top: spatial layer of the last frame of each picture that is let through; EVERY if that
            is the stream's own.
    """

    __slots__ = (
        "_active",
        "_layered",
        "_spatial",
        "_structure",
        "_target",
        "_temporal",
        "_wished_spatial",
        "_wished_temporal",
        "stuck",
        "top",
        "whole",
    )

    def __init__(self, *, layered: bool) -> None:
        self._layered = layered
        self._spatial = self._temporal = EVERY
        self._wished_spatial = self._wished_temporal = EVERY
        self._structure: Structure | None = None
        self._active = 0
        self._target = 0
        self.whole = True
        self.stuck = False
        self.top = EVERY

    def aim(self, spatial: int, temporal: int) -> None:
        """Wish for these layers and those below."""
        self._wished_spatial, self._wished_temporal = spatial, temporal
        self._judge()

    def begin(self, packet: Packet) -> None:
        """Everything wished for comes true with this packet, from which a receiver can start."""
        self._spatial, self._temporal = self._wished_spatial, self._wished_temporal
        descriptor = packet.dependency if self._layered else None
        self._structure = descriptor.structure if descriptor is not None else None
        if self._structure is not None:
            self._active = packet.active
            self._target = self._wish(self._structure)
        self._judge()

    def admits(self, packet: Packet) -> bool:
        """Whether the newest packet is let through; limits change with the first of a frame."""
        if self._layered and packet.dependency is not None:
            descriptor = packet.dependency
            if packet.begins or descriptor.structure is not self._structure:
                self._settle_by(descriptor, packet)
            return descriptor.indications[self._target] != Indication.ABSENT
        if packet.begins:
            self._settle(packet)
        return packet.temporal <= self._temporal and not (
            self._layered and packet.spatial > self._spatial
        )

    def _settle_by(self, descriptor: Descriptor, packet: Packet) -> None:
        structure = descriptor.structure
        if structure is not self._structure:
            self._structure = structure
            self._target = structure.choose(self._spatial, self._temporal, structure.everything)
        self._active = packet.active
        wish = self._wish(structure)
        own = descriptor.indications
        if wish != self._target and (
            packet.keyframe or (own[self._target] and own[wish] == Indication.SWITCH)
        ):
            self._target = wish
            self._spatial, self._temporal = self._wished_spatial, self._wished_temporal
        self._judge()

    def _settle(self, packet: Packet) -> None:
        """Go down at once; up in time where the stream allows, in size at a keyframe."""
        if packet.keyframe:
            self._spatial, self._temporal = self._wished_spatial, self._wished_temporal
        else:
            self._spatial = min(self._spatial, self._wished_spatial)
            if self._wished_temporal < self._temporal:
                self._temporal = self._wished_temporal
            elif packet.sync and self._temporal < packet.temporal <= self._wished_temporal:
                self._temporal = packet.temporal
        self._judge()

    def _wish(self, structure: Structure) -> int:
        return structure.choose(self._wished_spatial, self._wished_temporal, self._active)

    def _judge(self) -> None:
        structure = self._structure
        if structure is None:
            self.stuck = self._wished_spatial > self._spatial
            self.top = self._spatial
            self.whole = (
                self._spatial
                == self._temporal
                == self._wished_spatial
                == self._wished_temporal
                == EVERY
            )
        else:
            wish = self._wish(structure)
            targets = structure.targets
            self.stuck = wish != self._target and not structure.leads(self._target, wish)
            self.top = targets[self._target][0]
            self.whole = wish == self._target and structure.needs_all(wish)
