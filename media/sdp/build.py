"""Writes descriptions: ``parse(build(x)) == x`` for every x within the parser's bounds."""

from __future__ import annotations

from collections.abc import Iterator

from media.sdp.model import Section, SessionDescription


def build(description: SessionDescription) -> str:
    """SDP text with CRLF line ends."""
    return "".join(f"{line}\r\n" for line in _lines(description))


def _lines(description: SessionDescription) -> Iterator[str]:
    yield "v=0"
    yield f"o=- {description.origin_id} {description.origin_version} IN IP4 127.0.0.1"
    yield "s=-"
    yield "t=0 0"
    if description.bundle:
        yield f"a=group:BUNDLE {' '.join(description.bundle)}"
    if description.ice_lite:
        yield "a=ice-lite"
    if description.extmap_allow_mixed:
        yield "a=extmap-allow-mixed"
    yield "a=msid-semantic: WMS *"
    for section in description.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"m={section.kind} {section.port} {section.protocol} {' '.join(section.formats)}"
    yield "c=IN IP4 0.0.0.0"
    if section.mid:
        yield f"a=mid:{section.mid}"
    yield f"a={section.direction}"
    if section.ice is not None:
        yield f"a=ice-ufrag:{section.ice.ufrag}"
        yield f"a=ice-pwd:{section.ice.pwd}"
    for fingerprint in section.fingerprints:
        yield f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}"
    if section.setup is not None:
        yield f"a=setup:{section.setup}"
    for candidate in section.candidates:
        yield f"a={candidate}"
    if section.end_of_candidates:
        yield "a=end-of-candidates"
    for name in ("rtcp_mux", "rtcp_rsize", "bundle_only"):
        if getattr(section, name):
            yield f"a={name.replace('_', '-')}"
    for extension in section.extensions:
        direction = "" if extension.direction == "sendrecv" else f"/{extension.direction}"
        yield f"a=extmap:{extension.id}{direction} {extension.uri}"
    if section.msid is not None:
        yield f"a=msid:{' '.join(section.msid).rstrip()}"
    for codec in section.codecs:
        number = codec.payload_type
        channels = f"/{codec.channels}" if codec.channels != 1 else ""
        yield f"a=rtpmap:{number} {codec.name}/{codec.clock_rate}{channels}"
        for kind in codec.feedback:
            yield f"a=rtcp-fb:{number} {kind}"
        if codec.fmtp:
            yield f"a=fmtp:{number} {codec.fmtp}"
    for rid in section.rids:
        yield f"a=rid:{rid.id} {rid.direction} {rid.restrictions}".rstrip()
    simulcast = {"send": section.simulcast_send, "recv": section.simulcast_recv}
    if any(simulcast.values()):
        said = (f"{direction} {';'.join(rids)}" for direction, rids in simulcast.items() if rids)
        yield f"a=simulcast:{' '.join(said)}"
    for group in section.source_groups:
        yield f"a=ssrc-group:{' '.join((group.semantics, *map(str, group.ssrcs)))}"
    for source in section.sources:
        yield f"a=ssrc:{source.ssrc}" + (f" cname:{source.cname}" if source.cname else "")
