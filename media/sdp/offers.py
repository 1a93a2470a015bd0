"""Our offers to one subscriber, over its life: mids stay, idle m-lines are used again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from media.core.red import OPUS_PT
from media.parameters import DtlsRole, TransportParameters
from media.rpc import Kind
from media.sdp import codecs
from media.sdp.answers import DISCARD_PORT, remote_parameters, sending
from media.sdp.build import build
from media.sdp.model import Codec, Extension, SdpError, Section, SessionDescription
from media.sdp.parse import ANSWER_BOUNDS, parse
from media.sdp.tracks import OutgoingLine, OutgoingTrack, SubscriberAgreement

PROTOCOL = "UDP/TLS/RTP/SAVPF"
VIDEO_TYPES = [(n, n + 1) for n in (96, 98, 100, 102, 104, 106, 108, 112, 114, 116, 118, 120)]
AUDIO_TYPES = [(n, 0) for n in (OPUS_PT, 110, 62, 61, 60)]
RED_TYPE = 63
MAX_LINES = ANSWER_BOUNDS.sections


@dataclass
class _Line:
    """``codec`` and ``rtx`` are those of the last track on it, kept while it is idle."""

    mid: str
    kind: Kind
    codec: Codec
    rtx: Codec | None
    red: Codec | None = None
    track: OutgoingTrack | None = None
    refused: bool = False


class SubscriberOffers:
    """The m-lines of one subscriber connection."""

    def __init__(self) -> None:
        self._session_id = secrets.randbits(62)
        self._version = 0
        self._mids_given = 0
        self._lines: list[_Line] = []
        self._offered: list[_Line] = []
        self._types: dict[tuple[str, str], tuple[int, int]] = {}
        self._unwelcome: set[tuple[str, str]] = set()

    def set(self, tracks: Sequence[OutgoingTrack]) -> bool:
        """The whole wish; True if a new offer is needed. Matches by ``track`` id.

        Left out are tracks of a codec configuration the peer has refused, and those beyond
        what one connection carries (256 m-lines, 12 video and 5 audio configurations);
        ``tracks`` says which are in.
        """
        wanted = {track.track: track for track in tracks}
        changed = False
        for line in self._lines:
            if line.track is None:
                continue
            wish = wanted.get(line.track.track)
            if wish == line.track:
                del wanted[wish.track]
            elif wish is not None and wish.kind == line.kind and self._codecs(wish):
                del wanted[wish.track]
                self._place(line, wish)
                changed = True
            else:
                line.track = None
                changed = True
        for wish in wanted.values():
            place = self._codecs(wish) and (self._idle_line(wish.kind) or self._new_line(wish))
            if place:
                self._place(place, wish)
                changed = True
        return changed

    @property
    def tracks(self) -> dict[str, str]:
        """Mid to track id of the active m-lines."""
        return {line.mid: line.track.track for line in self._lines if line.track is not None}

    def offer(self, local: TransportParameters, candidates: Sequence[str]) -> str:
        """The next offer, with a version one higher than the last."""
        self._version += 1
        self._offered = [replace(line) for line in self._lines]
        sections = tuple(_section(line, local, tuple(candidates)) for line in self._offered)
        return build(
            SessionDescription(
                sections=sections,
                origin_id=self._session_id,
                origin_version=self._version,
                bundle=tuple(section.mid for section in sections if section.port),
                ice_lite=True,
                extmap_allow_mixed=True,
            )
        )

    def accept(self, text: str) -> SubscriberAgreement:
        """The peer's answer to the last offer.

        Raises:
            SdpError: it does not fit that offer.
        """
        answer = parse(text, ANSWER_BOUNDS)
        if len(answer.sections) != len(self._offered):
            raise SdpError(
                f"the answer has {len(answer.sections)} m-lines, the offer {len(self._offered)}:"
                " answer the latest offer"
            )
        carrier: Section | None = None
        outgoing: list[OutgoingLine] = []
        refused: list[str] = []
        for line, section in zip(self._offered, answer.sections, strict=True):
            if section.port and (section.mid, section.kind) != (line.mid, line.kind):
                raise SdpError(f"the answer has m-lines in another order at mid {line.mid}")
            if section.port and carrier is None:
                carrier = section
            agreed = _agreed(line, section)
            if agreed is not None:
                outgoing.append(agreed)
            elif line.track is not None:
                refused.append(line.track.track)
                if not section.port or str(line.codec.payload_type) not in section.formats:
                    self._unwelcome.add(_configuration(line.codec))
            if not section.port and not line.refused:
                self._refuse(line)
        if carrier is None:
            raise SdpError("the answer rejects every m-line")
        return SubscriberAgreement(
            remote=remote_parameters(carrier),
            role=_role(carrier),
            outgoing=tuple(outgoing),
            refused=tuple(refused),
        )

    def _refuse(self, offered: _Line) -> None:
        """A rejected m-line stays where it is; when used again it gets a new mid (RFC 9429 §5.2.2)."""
        for line in self._lines:
            if line.mid == offered.mid:
                line.refused = True
                line.track = None

    def _idle_line(self, kind: Kind) -> _Line | None:
        idle = [line for line in self._lines if line.track is None and line.kind == kind]
        for line in idle:
            if not line.refused:
                return line
        for line in idle:
            line.refused = False
            line.mid = self._next_mid()
            return line
        return None

    def _new_line(self, track: OutgoingTrack) -> _Line | None:
        formats = self._codecs(track)
        if formats is None or len(self._lines) >= MAX_LINES:
            return None
        self._lines.append(_Line(self._next_mid(), track.kind, *formats))
        return self._lines[-1]

    def _next_mid(self) -> str:
        self._mids_given += 1
        return str(self._mids_given - 1)

    def _place(self, line: _Line, track: OutgoingTrack) -> None:
        formats = self._codecs(track)
        if formats is not None:
            line.track = track
            line.codec, line.rtx = formats
            line.red = _redundant(line.codec) if track.red else None

    def _codecs(self, track: OutgoingTrack) -> tuple[Codec, Codec | None] | None:
        """In a bundle a payload type means one codec configuration, so each gets its own."""
        as_answered = codecs.answered(
            Codec(payload_type=0, name=track.codec, clock_rate=track.clock_rate, fmtp=track.fmtp)
        )
        key = _configuration(as_answered)
        if key in self._unwelcome:
            return None
        if key not in self._types:
            pool = VIDEO_TYPES if track.kind == "video" else AUDIO_TYPES
            free = [types for types in pool if types not in self._types.values()]
            if not free:
                return None
            self._types[key] = free[0]
        number, rtx_number = self._types[key]
        codec = replace(
            as_answered,
            payload_type=number,
            channels=track.channels,
            feedback=codecs.FEEDBACK if track.kind == "video" else ("transport-cc",),
        )
        if track.kind == "audio":
            return codec, None
        return codec, Codec(
            payload_type=rtx_number, name="rtx", clock_rate=track.clock_rate, fmtp=f"apt={number}"
        )


def _section(line: _Line, local: TransportParameters, candidates: tuple[str, ...]) -> Section:
    formats = tuple(codec for codec in (line.codec, line.rtx, line.red) if codec is not None)
    section = Section(
        kind=line.kind,
        port=DISCARD_PORT,
        protocol=PROTOCOL,
        formats=tuple(str(codec.payload_type) for codec in formats),
        mid=line.mid,
        direction="inactive",
        codecs=formats,
        extensions=tuple(
            Extension(id=codecs.OUR_IDS[uri], uri=uri)
            for uri in codecs.sent(line.kind, line.codec.name)
        ),
        ice=local.ice,
        fingerprints=local.fingerprints,
        setup="actpass",
        candidates=candidates,
        end_of_candidates=True,
        rtcp_mux=True,
        rtcp_rsize=True,
    )
    if line.refused:
        return Section(
            kind=line.kind, port=0, protocol=PROTOCOL, formats=section.formats,
            mid=line.mid, direction="inactive",
        )  # fmt: skip
    if line.track is None:
        return section
    return sending(section, line.track, rtx=line.rtx is not None)


def _agreed(line: _Line, section: Section) -> OutgoingLine | None:
    if line.track is None or not section.port or section.direction not in ("recvonly", "sendrecv"):
        return None
    if str(line.codec.payload_type) not in section.formats:
        return None
    takes_rtx = line.rtx is not None and str(line.rtx.payload_type) in section.formats
    offered = {codecs.OUR_IDS[uri]: uri for uri in codecs.sent(line.kind, line.codec.name)}
    return OutgoingLine(
        mid=line.mid,
        track=line.track,
        codec=line.codec,
        rtx=line.rtx.payload_type if line.rtx and takes_rtx else None,
        extensions={e.id: e.uri for e in section.extensions if offered.get(e.id) == e.uri},
        red=RED_TYPE if line.red and str(RED_TYPE) in section.formats else None,
    )


def _redundant(codec: Codec) -> Codec | None:
    """RFC 2198 of it: the blocks that we pass on name Opus so."""
    if codec.payload_type != OPUS_PT:
        return None
    return Codec(
        payload_type=RED_TYPE, name="red", clock_rate=codec.clock_rate,
        channels=codec.channels, fmtp=f"{OPUS_PT}/{OPUS_PT}",
    )  # fmt: skip


def _configuration(codec: Codec) -> tuple[str, str]:
    return codec.name.lower(), codec.fmtp


def _role(section: Section) -> DtlsRole:
    return "client" if section.setup == "passive" else "server"
