"""What a client says in SDP: offers to send or receive, answers to a server's offers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from media.client.stream import StreamIdentity
from media.core import extensions
from media.parameters import DtlsRole, TransportParameters
from media.rpc import Kind
from media.sdp.build import build
from media.sdp.codecs import FEEDBACK, OPUS_FMTP, parameters
from media.sdp.model import (
    Codec,
    Direction,
    Extension,
    Rid,
    SdpError,
    Section,
    SessionDescription,
    Setup,
    Source,
    SourceGroup,
)
from media.udp import Address

OPUS = Codec(
    payload_type=111,
    name="opus",
    clock_rate=48000,
    channels=2,
    fmtp=OPUS_FMTP,
    feedback=("transport-cc",),
)
RED = Codec(payload_type=63, name="red", clock_rate=48000, channels=2, fmtp="111/111")
VP8 = Codec(payload_type=96, name="VP8", clock_rate=90000, feedback=FEEDBACK)
VP8_RTX = Codec(payload_type=97, name="rtx", clock_rate=90000, fmtp="apt=96")
IDS = {
    extensions.AUDIO_LEVEL: 1,
    extensions.MID: 4,
    extensions.RID: 10,
    extensions.REPAIRED_RID: 11,
}
KINDS: tuple[Kind, ...] = ("audio", "video")
URIS: Mapping[Kind, Sequence[str]] = {
    "audio": (extensions.MID, extensions.AUDIO_LEVEL),
    "video": (extensions.MID, extensions.RID, extensions.REPAIRED_RID),
}


@dataclass(frozen=True, kw_only=True)
class ReceivedLine:
    """An m-line on which the server sends.

    Attributes:
        ssrc, rtx_ssrc: as declared, None where not.
        msid: (stream, track).
    """

    mid: str
    kind: Kind
    codec: Codec
    rtx: int | None
    ssrc: int | None
    rtx_ssrc: int | None
    msid: tuple[str, str]
    extensions: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What a server's description says about its end."""

    remote: TransportParameters
    role: DtlsRole
    addresses: tuple[Address, ...]


def offered_sections(
    kinds: Sequence[Kind],
    rids: Sequence[str],
    direction: Literal["sendonly", "recvonly"],
    stream: str,
    *,
    red: bool = False,
) -> tuple[Section, ...]:
    """The m-lines of an offer, without transport; SSRCs are drawn here."""
    sections = []
    for mid, kind in enumerate(kinds):
        simulcast = tuple(rids) if kind == "video" and direction == "sendonly" else ()
        codecs = ((RED, OPUS) if red else (OPUS,)) if kind == "audio" else (VP8, VP8_RTX)
        section = Section(
            kind=kind,
            port=9,
            protocol="UDP/TLS/RTP/SAVPF",
            formats=tuple(str(codec.payload_type) for codec in codecs),
            mid=str(mid),
            direction=direction,
            codecs=codecs,
            extensions=tuple(Extension(id=IDS[uri], uri=uri) for uri in URIS[kind]),
            rids=tuple(Rid(id=rid, direction="send") for rid in simulcast),
            simulcast_send=simulcast,
            rtcp_mux=True,
            rtcp_rsize=True,
        )
        if direction == "sendonly":
            ssrcs = [
                1 + secrets.randbelow((1 << 32) - 2) for _ in range(1 if kind == "audio" else 2)
            ]
            section = replace(section, msid=(stream, f"{stream}-{kind}"))
            if not simulcast:
                section = replace(
                    section,
                    sources=tuple(Source(ssrc=ssrc, cname=stream) for ssrc in ssrcs),
                    source_groups=(SourceGroup(semantics="FID", ssrcs=tuple(ssrcs)),)
                    if len(ssrcs) == 2
                    else (),
                )
        sections.append(section)
    return tuple(sections)


def described(
    sections: Sequence[Section],
    local: TransportParameters,
    setup: Setup,
    *,
    session_id: int,
    version: int,
) -> str:
    """The text: the m-lines with our end of the transport."""
    return build(
        SessionDescription(
            sections=tuple(
                replace(s, ice=local.ice, fingerprints=local.fingerprints, setup=setup)
                if s.port
                else s
                for s in sections
            ),
            origin_id=session_id,
            origin_version=version,
            bundle=tuple(section.mid for section in sections if section.port),
            extmap_allow_mixed=True,
        )
    )


def identities(offered: Sequence[Section], answer: SessionDescription) -> list[StreamIdentity]:
    """The streams the server takes, lowest layer first.

    Raises:
        SdpError: the answer does not fit the offer.
    """
    if len(answer.sections) != len(offered):
        raise SdpError("the answer has another number of m-lines than the offer")
    streams = []
    for section, agreed in zip(offered, answer.sections, strict=True):
        if not agreed.port or agreed.direction not in ("recvonly", "sendrecv") or not agreed.codecs:
            continue
        ids = {e.uri: e.id for e in agreed.extensions}
        rids = [rid for rid in section.simulcast_send if rid in agreed.simulcast_recv]
        if section.simulcast_send and not rids:
            rids = list(section.simulcast_send[:1])
        declared = [source.ssrc for source in section.sources]
        rtx = next((c.payload_type for c in agreed.codecs if c.name.lower() == "rtx"), None)
        for rid in rids or [""]:
            drawn = [1 + secrets.randbelow((1 << 32) - 2) for _ in range(2)]
            ssrcs = declared + drawn
            streams.append(
                StreamIdentity(
                    mid=section.mid,
                    kind="audio" if section.kind == "audio" else "video",
                    rid=rid,
                    ssrc=ssrcs[0],
                    rtx_ssrc=ssrcs[1],
                    payload_type=agreed.codecs[0].payload_type,
                    rtx=rtx,
                    clock_rate=agreed.codecs[0].clock_rate,
                    mid_id=ids.get(extensions.MID, 0),
                    rid_id=ids.get(extensions.RID, 0),
                    repaired_rid_id=ids.get(extensions.REPAIRED_RID, 0),
                    level_id=ids.get(extensions.AUDIO_LEVEL, 0),
                )
            )
    return streams


def received_lines(description: SessionDescription) -> dict[str, ReceivedLine]:
    """The m-lines on which a server's offer or answer says it sends."""
    lines = {}
    for section in description.sections:
        if section.port and section.direction in ("sendonly", "sendrecv") and section.codecs:
            codec = section.codecs[0]
            rtx = [c.payload_type for c in section.codecs
                   if parameters(c.fmtp).get("apt") == str(codec.payload_type)]  # fmt: skip
            ssrcs = [source.ssrc for source in section.sources]
            lines[section.mid] = ReceivedLine(
                mid=section.mid,
                kind="audio" if section.kind == "audio" else "video",
                codec=codec,
                rtx=rtx[0] if rtx else None,
                ssrc=ssrcs[0] if ssrcs else None,
                rtx_ssrc=ssrcs[1] if len(ssrcs) > 1 else None,
                msid=section.msid or ("", ""),
                extensions={e.id: e.uri for e in section.extensions},
            )
    return lines


def answering_sections(offer: SessionDescription) -> tuple[Section, ...]:
    """Yes to all the server wants to send."""
    turned: dict[Direction, Direction] = {"sendonly": "recvonly", "sendrecv": "recvonly"}
    return tuple(
        replace(
            section,
            direction=turned.get(section.direction, "inactive"),
            sources=(),
            source_groups=(),
            msid=None,
            candidates=(),
            end_of_candidates=False,
        )
        for section in offer.sections
    )


def peer_of(description: SessionDescription) -> Peer:
    """The server's end; we are the DTLS client unless it insists on that itself.

    Raises:
        SdpError: no m-line in use, or it lacks credentials, fingerprint or candidates.
    """
    section = next((s for s in description.sections if s.port), None)
    if section is None:
        raise SdpError("the server takes none of the m-lines")
    if section.ice is None or not section.fingerprints:
        raise SdpError("the server's description has no ICE credentials or no fingerprint")
    addresses = []
    for candidate in section.candidates:
        fields = candidate.split()
        if (
            len(fields) >= 8
            and fields[1] == "1"
            and fields[2].lower() == "udp"
            and fields[5].isdigit()
        ):
            addresses.append(socket_address(fields[4], int(fields[5])))
    if not addresses:
        raise SdpError("the server's description has no UDP candidate")
    return Peer(
        remote=TransportParameters(section.ice, section.fingerprints),
        role="server" if section.setup == "active" else "client",
        addresses=tuple(addresses),
    )


def socket_address(host: str, port: int) -> Address:
    """As the socket will show it."""
    return (host, port, 0, 0) if ":" in host else (host, port)
