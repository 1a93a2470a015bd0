"""Sessions and m-lines as values. Everything is a frozen tuple, so equal means equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from media.parameters import Fingerprint, IceCredentials

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["actpass", "active", "passive"]


class SdpError(ValueError):
    """What is wrong with a description and what to do about it, in one sentence."""


class NoCodecError(SdpError):
    """The description is fine but offers no codec we can use."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """One payload type with an rtpmap.

    Attributes:
        feedback: values of rtcp-fb, e.g. ``nack pli``.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""
    feedback: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Extension:
    """RFC 8285. ``direction`` is the describing side's view."""

    id: int
    uri: str
    direction: Direction = "sendrecv"


@dataclass(frozen=True, kw_only=True)
class Rid:
    """RFC 8851. ``restrictions``: as written, e.g. ``max-width=640``."""

    id: str
    direction: Literal["send", "recv"]
    restrictions: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """RFC 5576 ``a=ssrc``; msid only where an m-line has none of its own."""

    ssrc: int
    cname: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceGroup:
    """RFC 5576 ``a=ssrc-group``, e.g. FID (media, rtx)."""

    semantics: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One m-line. Session-level ICE, fingerprint, setup and direction are already filled in.

    Attributes:
        kind: ``audio``, ``video``, ``application`` or what else was written.
        formats: the m-line's last fields, payload types of RTP.
        simulcast_send, simulcast_recv: rids in order, first alternative of each (RFC 8853).
        msid: (stream, track) or None.
        candidates: lines without ``a=``.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    mid: str = ""
    direction: Direction = "sendrecv"
    codecs: tuple[Codec, ...] = ()
    extensions: tuple[Extension, ...] = ()
    rids: tuple[Rid, ...] = ()
    simulcast_send: tuple[str, ...] = ()
    simulcast_recv: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    source_groups: tuple[SourceGroup, ...] = ()
    msid: tuple[str, str] | None = None
    ice: IceCredentials | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup | None = None
    candidates: tuple[str, ...] = ()
    end_of_candidates: bool = False
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    bundle_only: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionDescription:
    """
    Attributes:
        origin_id, origin_version: of the ``o=`` line.
        bundle: mids of the BUNDLE group, () without.
    """

    sections: tuple[Section, ...]
    origin_id: int = 0
    origin_version: int = 0
    bundle: tuple[str, ...] = ()
    ice_lite: bool = False
    extmap_allow_mixed: bool = False
