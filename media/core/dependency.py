"""The dependency descriptor: which frames belong to which layers, whatever the codec.

Header extension of the AV1 RTP specification, appendix A. A keyframe's first packet
carries the structure: templates of frames, and decode targets, which are the ways to
receive the stream; later packets name a template, so they are read knowing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from media.core.packet import Packet, find_extension

MAX_TEMPLATES = 64  # A.8.2: template ids have 6 bits
MANDATORY_BYTES = 3
MAX_SPATIAL, MAX_TEMPORAL = 3, 7
"""AV1 bitstream specification §6.2.3: spatial ids have 2 bits, temporal ids 3."""
ATTACHED_AT_ONCE = 20
"""Structures read of one source between two ``renew``: one costs as much as forwarding to several."""


class BrokenDescriptorError(ValueError):
    """Bytes that are no dependency descriptor, or need a structure that is not known."""


class Indication(IntEnum):
    """What a frame is to a decode target (A.8.3.2, table A.1)."""

    ABSENT = 0
    DISCARDABLE = 1
    SWITCH = 2
    REQUIRED = 3


@dataclass(frozen=True, slots=True)
class Template:
    """``indications``: one a decode target. ``references``: frame numbers back."""

    spatial: int
    temporal: int
    indications: tuple[int, ...]
    references: tuple[int, ...]

    @property
    def continues(self) -> bool:
        """Whether such frames follow earlier pictures; those of keyframes need their own alone."""
        # The layers of one picture are numbered one by one, so those below are as near as that.
        return max(self.references, default=0) > self.spatial


@dataclass(frozen=True, slots=True)
class Structure:
    """The template dependency structure.

    Attributes:
        offset: id of the first template.
        targets: (spatial, temporal) of each decode target.
        sizes: (width, height) of each spatial layer, empty if not told.
    """

    offset: int
    templates: tuple[Template, ...]
    targets: tuple[tuple[int, int], ...]
    chains: int
    sizes: tuple[tuple[int, int], ...]

    @property
    def everything(self) -> int:
        """Bitmask of all decode targets."""
        return (1 << len(self.targets)) - 1

    def choose(self, spatial: int, temporal: int, active: int) -> int:
        """Index of the best decode target being sent within these limits, else of the lowest."""
        best, found = 0, (-1, -1)
        for index, target in enumerate(self.targets):
            if (
                active >> index & 1
                and target[0] <= spatial
                and target[1] <= temporal
                and target > found
            ):
                best, found = index, target
        return best

    def leads(self, target: int, other: int) -> bool:
        """Whether a receiver of one decode target can change to the other without a keyframe."""
        return any(
            template.continues
            and template.indications[target]
            and template.indications[other] == Indication.SWITCH
            for template in self.templates
        )

    def needs_all(self, target: int) -> bool:
        """Whether a decode target consists of all frames there are."""
        return all(template.indications[target] for template in self.templates)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What one packet says of its frame.

    Attributes:
        number: of the frame, 16 bits.
        attached: this packet carries ``structure``.
        active: bitmask of the decode targets being sent, None if not told here.
    """

    start: bool
    end: bool
    number: int
    spatial: int
    temporal: int
    indications: tuple[int, ...]
    references: tuple[int, ...]
    structure: Structure
    attached: bool
    active: int | None


class _Bits:
    """Reads bits, most significant first; past the end it raises."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def read(self, count: int) -> int:
        """f(n) of A.8.1."""
        self._left -= count
        if self._left < 0:
            raise BrokenDescriptorError("the descriptor is cut short")
        return self._value >> self._left & (1 << count) - 1

    def read_below(self, limit: int) -> int:
        """ns(n) of A.8.1: a value below ``limit``."""
        width = limit.bit_length()
        short = (1 << width) - limit
        value = self.read(width - 1)
        return value if value < short else (value << 1) - short + self.read(1)


def parse(data: bytes, structure: Structure | None) -> Descriptor:
    """Read a descriptor, with the structure that the last keyframe brought.

    Raises:
        BrokenDescriptorError: it cannot be read.
    """
    bits = _Bits(data)
    start, end = bool(bits.read(1)), bool(bits.read(1))
    template_id, number = bits.read(6), bits.read(16)
    attached = active_told = own_indications = own_references = own_chains = 0
    if len(data) > MANDATORY_BYTES:
        attached, active_told = bits.read(1), bits.read(1)
        own_indications, own_references, own_chains = bits.read(1), bits.read(1), bits.read(1)
    if attached:
        structure = _structure(bits)
    if structure is None:
        raise BrokenDescriptorError("no structure is known")
    active = structure.everything if attached else None
    if active_told:
        active = bits.read(len(structure.targets))
    index = template_id - structure.offset & 63
    if index >= len(structure.templates):
        raise BrokenDescriptorError(f"template {template_id} is not in the structure")
    template = structure.templates[index]
    indications, references = template.indications, template.references
    if own_indications:
        indications = tuple(bits.read(2) for _ in structure.targets)
    if own_references:
        references = tuple(_own_references(bits))
    if own_chains:
        bits.read(8 * structure.chains)
    return Descriptor(
        start=start,
        end=end,
        number=number,
        spatial=template.spatial,
        temporal=template.temporal,
        indications=indications,
        references=references,
        structure=structure,
        attached=bool(attached),
        active=active,
    )


def _structure(bits: _Bits) -> Structure:
    offset, targets = bits.read(6), bits.read(5) + 1
    places = _places(bits)
    indications = [tuple(bits.read(2) for _ in range(targets)) for _ in places]
    references = [tuple(_template_references(bits)) for _ in places]
    chains = bits.read_below(targets + 1)
    if chains:
        for _ in range(targets):
            bits.read_below(chains)
        bits.read(4 * chains * len(places))
    sizes: list[tuple[int, int]] = []
    if bits.read(1):
        sizes = [(bits.read(16) + 1, bits.read(16) + 1) for _ in range(places[-1][0] + 1)]
    return Structure(
        offset=offset,
        templates=tuple(
            Template(spatial, temporal, own, refs)
            for (spatial, temporal), own, refs in zip(places, indications, references, strict=True)
        ),
        targets=tuple(_target(places, [own[at] for own in indications]) for at in range(targets)),
        chains=chains,
        sizes=tuple(sizes),
    )


def _places(bits: _Bits) -> list[tuple[int, int]]:
    """(spatial, temporal) of each template (A.8.2, template_layers)."""
    spatial = temporal = 0
    places: list[tuple[int, int]] = []
    while True:
        places.append((spatial, temporal))
        step = bits.read(2)
        if step == 3:
            return places
        if len(places) == MAX_TEMPLATES:
            raise BrokenDescriptorError("more templates than there are ids")
        if step == 1:
            temporal += 1
        elif step == 2:
            spatial, temporal = spatial + 1, 0
        if spatial > MAX_SPATIAL or temporal > MAX_TEMPORAL:
            raise BrokenDescriptorError("more layers than there are ids")


def _target(places: Sequence[tuple[int, int]], own: Sequence[int]) -> tuple[int, int]:
    """Layers of a decode target: the highest among its frames (A.8.2, decode_target_layers)."""
    inside = [place for place, indication in zip(places, own, strict=True) if indication]
    return (
        max((spatial for spatial, _ in inside), default=0),
        max((temporal for _, temporal in inside), default=0),
    )


def _template_references(bits: _Bits) -> list[int]:
    references = []
    while bits.read(1):
        references.append(bits.read(4) + 1)
    return references


def _own_references(bits: _Bits) -> list[int]:
    references = []
    while size := bits.read(2):
        references.append(bits.read(4 * size) + 1)
    return references


@dataclass(slots=True)
class Dependencies:
    """Reads the descriptors of one source's packets. Owner: the layer."""

    structure: Structure | None = None
    active: int = 0
    broken: int = field(default=0)
    _left: int = ATTACHED_AT_ONCE

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the largest spatial layer, None if not told."""
        return self.structure.sizes[-1] if self.structure and self.structure.sizes else None

    def inspect(self, packet: Packet, number: int) -> None:
        """Set the codec fields of a packet from its descriptor, extension ``number``, if it has one.

        A packet whose descriptor cannot be read keeps what its codec told.
        """
        found = find_extension(packet, number)
        if found is None or found[1] < MANDATORY_BYTES:
            return
        at, length = found
        data = bytes(packet.data[at : at + length])
        if length > MANDATORY_BYTES and data[MANDATORY_BYTES] & 0x80:
            self._left -= 1
            if self._left < 0:
                self.broken += 1
                return
        try:
            descriptor = parse(data, self.structure)
        except BrokenDescriptorError:
            self.broken += 1
            return
        if descriptor.attached:
            if descriptor.structure == self.structure:  # one is kept, not one for each packet
                descriptor = replace(descriptor, structure=self.structure)
            self.structure = descriptor.structure
        if descriptor.active is not None:
            self.active = descriptor.active
        packet.dependency = descriptor
        packet.spatial = descriptor.spatial
        packet.temporal = descriptor.temporal
        packet.begins = descriptor.start
        packet.ends = descriptor.end
        packet.keyframe = descriptor.start and descriptor.attached and not descriptor.references
        packet.sync = packet.keyframe
        packet.active = self.active

    def renew(self) -> None:
        """Some time has passed: structures are read again."""
        self._left = ATTACHED_AT_ONCE
