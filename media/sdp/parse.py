"""Reads SDP in one pass within bounds; says what is wrong in a sentence, and raises nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from media.parameters import IceCredentials
from media.sdp.attributes import READERS, Draft, SectionDraft, number, word
from media.sdp.model import Codec, SdpError, Section, SessionDescription, Source


@dataclass(frozen=True)
class Bounds:
    """What a description may measure at most; ``chars`` of text, ``attributes`` per m-line."""

    chars: int = 1 << 16
    sections: int = 64
    attributes: int = 256
    formats: int = 128


OFFER_BOUNDS = Bounds()
ANSWER_BOUNDS = Bounds(chars=1 << 18, sections=256)
"""For answers to our own offers, whose number of m-lines is ours."""


def parse(text: str, bounds: Bounds = OFFER_BOUNDS) -> SessionDescription:
    """Raises SdpError."""
    if not text.strip():
        raise SdpError("the description is empty: send the SDP of an offer or answer")
    if len(text) > bounds.chars:
        raise SdpError(
            f"the description is longer than {bounds.chars} characters: offer fewer m-lines or codecs"
        )
    session = _Session()
    section: Draft = session
    for position, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line:
            continue
        try:
            if len(line) < 2 or line[1] != "=":
                raise SdpError("is not of the form x=value")
            kind, value = line[0], line[2:]
            if not session.versioned and line != "v=0":
                raise SdpError("should be v=0: this is not SDP")
            session.versioned = True
            if kind == "a":
                section.attributes += 1
                if section.attributes > bounds.attributes:
                    raise SdpError(f"is attribute {section.attributes} of its m-line, too many")
                name, _, argument = value.partition(":")
                reader = READERS.get(name)
                if reader is not None:
                    reader(section, argument)
            elif kind == "m":
                if len(session.sections) == bounds.sections:
                    raise SdpError(f"is one m-line more than the {bounds.sections} allowed")
                section = _media_line(value, bounds.formats)
                session.sections.append(section)
            elif kind == "o":
                _read_origin(session, value)
        except SdpError as error:
            raise SdpError(f"line {position} of the description {error}") from None
    return session.finish()


@dataclass
class _Session(Draft):
    versioned: bool = False
    origin_id: int = 0
    origin_version: int = 0
    sections: list[SectionDraft] = field(default_factory=list)

    def finish(self) -> SessionDescription:
        mids = [section.mid for section in self.sections if section.mid]
        if len(set(mids)) != len(mids):
            raise SdpError("two m-lines of the description have the same a=mid")
        return SessionDescription(
            sections=tuple(_section(section, self) for section in self.sections),
            origin_id=self.origin_id,
            origin_version=self.origin_version,
            bundle=self.bundle,
            ice_lite=self.ice_lite,
            extmap_allow_mixed=self.extmap_allow_mixed,
        )


def _section(draft: SectionDraft, session: _Session) -> Section:
    own = draft if draft.ufrag and draft.pwd else session
    ice = IceCredentials(own.ufrag, own.pwd) if own.ufrag and own.pwd else None
    return Section(
        kind=draft.kind,
        port=draft.port,
        protocol=draft.protocol,
        formats=draft.formats,
        mid=draft.mid,
        direction=draft.direction or session.direction or "sendrecv",
        codecs=tuple(_codecs(draft)),
        extensions=tuple(draft.extensions),
        rids=tuple(draft.rids),
        simulcast_send=draft.simulcast.get("send", ()),
        simulcast_recv=draft.simulcast.get("recv", ()),
        sources=tuple(Source(ssrc=s, cname=c) for s, c in draft.sources.items()),
        source_groups=tuple(draft.source_groups),
        msid=draft.msid,
        ice=ice,
        fingerprints=tuple(draft.fingerprints or session.fingerprints),
        setup=draft.setup or session.setup,
        candidates=tuple(draft.candidates),
        end_of_candidates=draft.end_of_candidates,
        rtcp_mux=draft.rtcp_mux,
        rtcp_rsize=draft.rtcp_rsize,
        bundle_only=draft.bundle_only,
    )


def _codecs(draft: SectionDraft) -> list[Codec]:
    codecs = []
    for name in draft.formats:
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 4 else -1
        mapped = draft.maps.pop(number, None)
        if mapped is not None:
            codecs.append(
                Codec(
                    payload_type=number,
                    name=mapped[0],
                    clock_rate=mapped[1],
                    channels=mapped[2],
                    fmtp=draft.fmtp.get(number, ""),
                    feedback=tuple(dict.fromkeys(draft.feedback.get(number, []) + draft.wildcards)),
                )
            )
    return codecs


def _media_line(value: str, most_formats: int) -> SectionDraft:
    fields = value.split()
    if not 4 <= len(fields) <= most_formats + 3:
        raise SdpError("should be m=kind port protocol formats")
    kind, port, protocol, *formats = (word(f, 64, "field") for f in fields)
    return SectionDraft(
        kind=kind,
        port=number(port.partition("/")[0], 65535, "port"),
        protocol=protocol,
        formats=tuple(formats),
    )


def _read_origin(session: _Session, value: str) -> None:
    fields = value.split()
    if len(fields) != 6:
        raise SdpError("should have six fields")
    session.origin_id = number(fields[1], (1 << 64) - 1, "session id")
    session.origin_version = number(fields[2], (1 << 64) - 1, "session version")
