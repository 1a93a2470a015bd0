"""Our answers to offers: of those who publish (WHIP, browsers) and of WHEP players."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from media.core import extensions
from media.parameters import DtlsRole, TransportParameters
from media.rpc import Kind
from media.sdp import codecs
from media.sdp.build import build
from media.sdp.model import (
    Codec,
    NoCodecError,
    Rid,
    SdpError,
    Section,
    SessionDescription,
    Source,
    SourceGroup,
)
from media.sdp.tracks import (
    IncomingTrack,
    OutgoingLine,
    OutgoingTrack,
    PlayerAgreement,
    PublisherAgreement,
)

HASHES = ("sha-256", "sha-384", "sha-512")
MAX_RIDS = 3
DISCARD_PORT = 9


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
    incoming: list[IncomingTrack] = []

    def receive(section: Section) -> Section | None:
        codec = codecs.choose(section)
        if codec is None:
            return None
        rtx = codecs.rtx_of(section, codec)
        red = codecs.red_of(section, codec)
        # The first is what the peer sends: redundancy if that is its own preference.
        accepted = [c for c in (codec, red, rtx) if c is not None]
        accepted.sort(key=lambda c: section.formats.index(str(c.payload_type)))
        agreed = codecs.common_extensions(
            section, codecs.received(section.kind, codec.name), "recvonly"
        )
        rids = _rids(section) if any(e.uri == extensions.RID for e in agreed) else ()
        sends = section.direction in ("sendonly", "sendrecv")
        answer = Section(
            kind=section.kind,
            port=DISCARD_PORT,
            protocol=section.protocol,
            formats=tuple(str(c.payload_type) for c in accepted),
            direction="inactive",
            codecs=tuple(accepted),
            extensions=agreed,
        )
        if not sends or (accept is not None and section.mid not in accept):
            return answer
        incoming.append(
            IncomingTrack(
                mid=section.mid,
                kind=_kind(section),
                codec=codec,
                rtx=rtx.payload_type if rtx else None,
                extensions={e.id: e.uri for e in agreed},
                rids=rids,
                sources=_source_pairs(section),
                msid=section.msid or ("", ""),
                red=red.payload_type if red else None,
                parameter_sets=codecs.parameter_sets(section, codec),
            )
        )
        return replace(
            answer,
            direction="recvonly",
            rids=tuple(Rid(id=rid, direction="recv") for rid in rids),
            simulcast_recv=rids,
        )

    answer = _answer(offer, local, candidates, role, receive)
    return PublisherAgreement(
        text=answer.text, remote=answer.remote, role=answer.role, incoming=tuple(incoming)
    )


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
    outgoing: dict[Kind, OutgoingLine] = {}

    def send(section: Section) -> Section | None:
        kind = _kind(section)
        receives = section.direction in ("recvonly", "sendrecv")
        track = tracks.get(kind) if receives and kind not in outgoing else None
        codec = codecs.match(section, track.codec, track.fmtp) if track else codecs.choose(section)
        if codec is None:
            return None
        rtx = codecs.rtx_of(section, codec)
        agreed = codecs.common_extensions(section, codecs.sent(kind, codec.name), "sendonly")
        answer = Section(
            kind=section.kind,
            port=DISCARD_PORT,
            protocol=section.protocol,
            formats=_formats(codec, rtx),
            direction="inactive",
            codecs=(codec, rtx) if rtx else (codec,),
            extensions=agreed,
        )
        if track is None:
            return answer
        outgoing[kind] = OutgoingLine(
            mid=section.mid,
            track=track,
            codec=codec,
            rtx=rtx.payload_type if rtx else None,
            extensions={e.id: e.uri for e in agreed},
        )
        return sending(answer, track, rtx=rtx is not None)

    answer = _answer(offer, local, candidates, role, send)
    for kind, track in tracks.items():
        asked = any(s.kind == kind and s.direction != "sendonly" for s in offer.sections)
        if asked and kind not in outgoing:
            raise NoCodecError(
                f"the stream's {kind} is {track.codec}, which the offer does not list:"
                f" offer {track.codec}, or watch with a player that decodes it"
            )
    return PlayerAgreement(
        text=answer.text, remote=answer.remote, role=answer.role, outgoing=tuple(outgoing.values())
    )


def sending(section: Section, track: OutgoingTrack, *, rtx: bool) -> Section:
    """The m-line once a track is sent on it."""
    ssrcs = (track.ssrc, track.rtx_ssrc) if rtx else (track.ssrc,)
    return replace(
        section,
        direction="sendonly",
        msid=(track.stream, track.track),
        sources=tuple(Source(ssrc=ssrc, cname=track.stream) for ssrc in ssrcs),
        source_groups=(SourceGroup(semantics="FID", ssrcs=ssrcs),) if rtx else (),
    )


def remote_parameters(section: Section) -> TransportParameters:
    """Of the m-line that carries the bundle's transport.

    Raises:
        SdpError: without ICE credentials or a fingerprint we can check.
    """
    if section.ice is None:
        raise SdpError("the description has no a=ice-ufrag and a=ice-pwd: send both")
    known = tuple(f for f in section.fingerprints if f.algorithm in HASHES)
    if not known:
        raise SdpError(f"the description has no a=fingerprint of {', '.join(HASHES)}: send one")
    return TransportParameters(section.ice, known)


def _rids(section: Section) -> tuple[str, ...]:
    named = {rid.id for rid in section.rids if rid.direction == "send"}
    return tuple(rid for rid in dict.fromkeys(section.simulcast_send) if rid in named)[:MAX_RIDS]


@dataclass(frozen=True)
class _Answer:
    text: str
    remote: TransportParameters
    role: DtlsRole


def _answer(
    offer: SessionDescription,
    local: TransportParameters,
    candidates: Sequence[str],
    role: DtlsRole | None,
    consider: Callable[[Section], Section | None],
) -> _Answer:
    """The frame every answer shares; lines ``consider`` gives None for are rejected by port 0."""
    if offer.ice_lite:
        raise SdpError("the offer says a=ice-lite, as we are: one side must do full ICE")
    answers: list[Section] = []
    carrier: Section | None = None
    uncoded: list[str] = []
    unfit: list[str] = []
    for section in offer.sections:
        trouble = _trouble(section, offer, carrier)
        answer = consider(section) if trouble is None else None
        if trouble is not None:
            unfit.append(trouble)
        elif answer is None:
            uncoded.append(", ".join(c.name for c in section.codecs) or "nothing")
        else:
            carrier = carrier or section
        answers.append(answer or Section(
            kind=section.kind, port=0, protocol=section.protocol, formats=section.formats,
            direction="inactive",
        ))  # fmt: skip
    if carrier is None:
        if uncoded:
            raise NoCodecError(
                f"the offer lists no codec we take ({'; '.join(uncoded)[:200]}): offer VP8, H264,"
                " VP9 or AV1 for video and opus for audio"
            )
        raise SdpError(f"the offer has no usable m-line ({(unfit or ['none at all'])[0]})")
    remote = remote_parameters(carrier)
    role = _role(carrier, role)
    described = tuple(
        replace(
            answer,
            mid=section.mid,
            ice=local.ice,
            fingerprints=local.fingerprints,
            setup="active" if role == "client" else "passive",
            candidates=tuple(candidates),
            end_of_candidates=True,
            rtcp_mux=True,
            rtcp_rsize=section.rtcp_rsize,
        )
        if answer.port
        else replace(answer, mid=section.mid)
        for section, answer in zip(offer.sections, answers, strict=True)
    )
    text = build(
        SessionDescription(
            sections=described,
            origin_id=offer.origin_id,
            origin_version=offer.origin_version,
            bundle=tuple(s.mid for s in described if s.port) if offer.bundle else (),
            ice_lite=True,
            extmap_allow_mixed=offer.extmap_allow_mixed,
        )
    )
    return _Answer(text, remote, role)


def _trouble(section: Section, offer: SessionDescription, carrier: Section | None) -> str | None:
    """Why an m-line cannot be taken, whatever its codecs."""
    if section.kind not in ("audio", "video"):
        return f"m={section.kind} is neither audio nor video"
    if not section.protocol.endswith("TLS/RTP/SAVPF"):
        return f"{section.protocol} is not UDP/TLS/RTP/SAVPF"
    if section.port == 0 and not section.bundle_only:
        return f"m={section.kind} has port 0"
    if not section.rtcp_mux:
        return "a=rtcp-mux is missing"
    if offer.bundle and section.mid not in offer.bundle:
        return f"mid {section.mid} is not in the BUNDLE group"
    if not offer.bundle and carrier is not None:
        return "there are several m-lines but no BUNDLE group"
    return None


def _role(section: Section, role: DtlsRole | None) -> DtlsRole:
    """RFC 8842 §5: ours; passive unless the peer cannot be active, and never changed."""
    if role is None:
        return "client" if section.setup == "passive" else "server"
    if section.setup == ("passive" if role == "server" else "active"):
        raise SdpError("a=setup changes DTLS roles in mid-session: open a new connection")
    return role


def _formats(codec: Codec, rtx: Codec | None) -> tuple[str, ...]:
    return (str(codec.payload_type), *([str(rtx.payload_type)] if rtx else []))


def _kind(section: Section) -> Kind:
    return "audio" if section.kind == "audio" else "video"


def _source_pairs(section: Section) -> tuple[tuple[int, int | None], ...]:
    pairs = {g.ssrcs[0]: g.ssrcs[1] for g in section.source_groups
             if g.semantics == "FID" and len(g.ssrcs) == 2}  # fmt: skip
    repairs = set(pairs.values())
    media = (source.ssrc for source in section.sources if source.ssrc not in repairs)
    return tuple((ssrc, pairs.get(ssrc)) for ssrc in media)
