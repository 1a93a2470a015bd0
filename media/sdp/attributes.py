"""One reader per attribute that means something to us; others are passed over.

Readers fill a draft and raise SdpError with a predicate ("has no ...") that ``parse``
completes with the line's number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, cast

from media.parameters import Fingerprint
from media.sdp.model import Direction, Extension, Rid, SdpError, Setup, SourceGroup

MAX_WILDCARD_FEEDBACK = 16
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
SETUPS = ("actpass", "active", "passive")


@dataclass
class Draft:
    """What session and m-lines may both say; the session's serves m-lines that are silent."""

    attributes: int = 0
    direction: Direction | None = None
    ufrag: str = ""
    pwd: str = ""
    fingerprints: list[Fingerprint] = field(default_factory=list)
    setup: Setup | None = None
    bundle: tuple[str, ...] = ()
    ice_lite: bool = False
    extmap_allow_mixed: bool = False


@dataclass
class SectionDraft(Draft):
    kind: str = ""
    port: int = 0
    protocol: str = ""
    formats: tuple[str, ...] = ()
    mid: str = ""
    maps: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    fmtp: dict[int, str] = field(default_factory=dict)
    feedback: dict[int, list[str]] = field(default_factory=dict)
    wildcards: list[str] = field(default_factory=list)
    extensions: list[Extension] = field(default_factory=list)
    rids: list[Rid] = field(default_factory=list)
    simulcast: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sources: dict[int, str] = field(default_factory=dict)
    source_groups: list[SourceGroup] = field(default_factory=list)
    msid: tuple[str, str] | None = None
    candidates: list[str] = field(default_factory=list)
    end_of_candidates: bool = False
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    bundle_only: bool = False


def number(text: str, most: int, what: str, least: int = 0) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 20 and least <= int(text) <= most:
        return int(text)
    raise SdpError(f"has no {what} between {least} and {most} where one belongs")


def word(text: str, most_chars: int, what: str) -> str:
    """RFC 8866 token or ice-char, near enough: visible ASCII, no separator of ours."""
    if 0 < len(text) <= most_chars and all("!" <= c <= "~" for c in text):
        return text
    raise SdpError(f"has no usable {what}")


def _read_group(draft: Draft, value: str) -> None:
    semantics, *mids = value.split()[:257] or [""]
    if semantics == "BUNDLE" and not draft.bundle:
        draft.bundle = tuple(mids)


def _read_ufrag(draft: Draft, value: str) -> None:
    draft.ufrag = word(value, 256, "ICE user fragment")


def _read_pwd(draft: Draft, value: str) -> None:
    draft.pwd = word(value, 256, "ICE password")


def _read_fingerprint(draft: Draft, value: str) -> None:
    algorithm, _, digest = value.strip().partition(" ")
    pairs = digest.upper().split(":")
    if not all(len(p) == 2 and set(p) <= set("0123456789ABCDEF") for p in pairs):
        raise SdpError("has no hash of colon-separated hexadecimal pairs")
    draft.fingerprints.append(
        Fingerprint(word(algorithm, 32, "hash name").lower(), ":".join(pairs))
    )


def _read_setup(draft: Draft, value: str) -> None:
    if value not in SETUPS:
        raise SdpError("should say setup:actpass, active or passive")
    draft.setup = cast(Setup, value)


def _direction(value: str) -> Callable[[Draft, str], None]:
    def read(draft: Draft, _: str) -> None:
        draft.direction = cast(Direction, value)

    return read


def _flag(name: str) -> Callable[[Draft, str], None]:
    def read(draft: Draft, _: str) -> None:
        if hasattr(draft, name):
            setattr(draft, name, True)

    return read


def _in_section(
    read: Callable[[SectionDraft, str], None],
) -> Callable[[Draft, str], None]:
    def read_if_in_section(draft: Draft, value: str) -> None:
        if isinstance(draft, SectionDraft):
            read(draft, value)

    return read_if_in_section


def _read_mid(draft: SectionDraft, value: str) -> None:
    draft.mid = word(value, 64, "mid")


def _read_rtpmap(draft: SectionDraft, value: str) -> None:
    digits, _, rest = value.partition(" ")
    name, _, rate = rest.strip().partition("/")
    clock_rate, _, channels = rate.partition("/")
    draft.maps[number(digits, 127, "payload type")] = (
        word(name, 64, "codec name"),
        number(clock_rate, 1 << 31, "clock rate", 1),
        number(channels, 255, "number of channels", 1) if channels else 1,
    )


def _read_fmtp(draft: SectionDraft, value: str) -> None:
    digits, _, parameters = value.partition(" ")
    draft.fmtp[number(digits, 127, "payload type")] = parameters.strip()


def _read_feedback(draft: SectionDraft, value: str) -> None:
    digits, _, kind = value.partition(" ")
    kind = " ".join(kind.split())
    if not kind:
        raise SdpError("has no kind of feedback")
    if digits != "*":
        draft.feedback.setdefault(number(digits, 127, "payload type"), []).append(kind)
    elif kind not in draft.wildcards and len(draft.wildcards) < MAX_WILDCARD_FEEDBACK:
        draft.wildcards.append(kind)


def _read_extension(draft: SectionDraft, value: str) -> None:
    head, _, rest = value.partition(" ")
    digits, _, direction = head.partition("/")
    if direction and direction not in DIRECTIONS:
        raise SdpError("has no direction where one belongs")
    uri = (rest.split() or [""])[0]
    draft.extensions.append(
        Extension(
            id=number(digits, 65535, "extension id", 1),
            uri=word(uri, 256, "URI"),
            direction=cast(Direction, direction or "sendrecv"),
        )
    )


def _read_rid(draft: SectionDraft, value: str) -> None:
    name, _, rest = value.partition(" ")
    direction, _, restrictions = rest.strip().partition(" ")
    if direction not in ("send", "recv"):
        raise SdpError("should say send or recv")
    draft.rids.append(
        Rid(
            id=_rid_name(name),
            direction=cast(Literal["send", "recv"], direction),
            restrictions=restrictions.strip(),
        )
    )


def _read_simulcast(draft: SectionDraft, value: str) -> None:
    fields = value.split()
    if len(fields) not in (2, 4) or not set(fields[::2]) <= {"send", "recv"}:
        raise SdpError("should be simulcast:send|recv rid;rid;...")
    for direction, streams in zip(fields[::2], fields[1::2], strict=True):
        draft.simulcast[direction] = tuple(
            _rid_name(stream.partition(",")[0].removeprefix("~")) for stream in streams.split(";")
        )


def _rid_name(text: str) -> str:
    """RFC 8852 §3.3: what fits a header extension."""
    if 0 < len(text) <= 16 and text.isascii() and text.replace("-", "").replace("_", "").isalnum():
        return text
    raise SdpError("has no usable rid")


def _read_source(draft: SectionDraft, value: str) -> None:
    digits, _, attribute = value.partition(" ")
    ssrc = number(digits, (1 << 32) - 1, "SSRC")
    name, _, argument = attribute.partition(":")
    cname = argument.strip() if name == "cname" else ""
    if cname or ssrc not in draft.sources:
        draft.sources[ssrc] = cname
    if name == "msid" and draft.msid is None:
        _read_msid(draft, argument)


def _read_source_group(draft: SectionDraft, value: str) -> None:
    semantics, *ssrcs = value.split()[:33] or [""]
    draft.source_groups.append(
        SourceGroup(
            semantics=word(semantics, 16, "kind of group"),
            ssrcs=tuple(number(s, (1 << 32) - 1, "SSRC") for s in ssrcs),
        )
    )


def _read_msid(draft: SectionDraft, value: str) -> None:
    fields = value.split()
    if not 1 <= len(fields) <= 2:
        raise SdpError("should be msid:stream track")
    draft.msid = (word(fields[0], 256, "msid"), fields[1][:256] if len(fields) > 1 else "")


def _read_candidate(draft: SectionDraft, value: str) -> None:
    draft.candidates.append(f"candidate:{value}")


READERS: dict[str, Callable[[Draft, str], None]] = {
    "group": _read_group,
    "ice-ufrag": _read_ufrag,
    "ice-pwd": _read_pwd,
    "fingerprint": _read_fingerprint,
    "setup": _read_setup,
    **{name: _direction(name) for name in DIRECTIONS},
    **{
        name: _flag(name.replace("-", "_"))
        for name in (
            "ice-lite",
            "extmap-allow-mixed",
            "end-of-candidates",
            "rtcp-mux",
            "rtcp-rsize",
            "bundle-only",
        )
    },
    "rtcp-mux-only": _flag("rtcp_mux"),
    **{
        name: _in_section(read)
        for name, read in (
            ("mid", _read_mid),
            ("rtpmap", _read_rtpmap),
            ("fmtp", _read_fmtp),
            ("rtcp-fb", _read_feedback),
            ("extmap", _read_extension),
            ("rid", _read_rid),
            ("simulcast", _read_simulcast),
            ("ssrc", _read_source),
            ("ssrc-group", _read_source_group),
            ("msid", _read_msid),
            ("candidate", _read_candidate),
        )
    },
}
