from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.parameters import Fingerprint, IceCredentials
from media.sdp.build import build
from media.sdp.fragment import build_fragment, parse_fragment
from media.sdp.model import (
    Codec,
    Direction,
    Extension,
    Rid,
    SdpError,
    Section,
    SessionDescription,
    Source,
    SourceGroup,
)
from media.sdp.parse import parse

OFFERS = Path(__file__).parents[2] / "fixtures" / "offers"
HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
tokens = st.text("abcXYZ019", min_size=1, max_size=16)
numbers = st.integers(0, (1 << 32) - 1)
directions: st.SearchStrategy[Direction] = st.sampled_from(
    ["sendrecv", "sendonly", "recvonly", "inactive"]
)
values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30).map(
    str.strip
)


@st.composite
def codecs(draw: st.DrawFn) -> Codec:
    return Codec(
        payload_type=draw(st.integers(0, 127)),
        name=draw(tokens),
        clock_rate=draw(st.integers(1, 1 << 31)),
        channels=draw(st.integers(1, 255)),
        fmtp=draw(values),
        feedback=tuple(draw(st.lists(tokens, max_size=3, unique=True))),
    )


@st.composite
def sections(draw: st.DrawFn, mid: str) -> Section:
    spoken = tuple(draw(st.lists(codecs(), max_size=4, unique_by=lambda c: c.payload_type)))
    rids = tuple(
        draw(st.lists(st.builds(Rid, id=tokens, direction=st.sampled_from(["send", "recv"]),
                                restrictions=tokens | st.just("")), max_size=3))
    )  # fmt: skip
    return Section(
        kind=draw(tokens),
        port=draw(st.integers(0, 65535)),
        protocol=draw(words),
        formats=tuple(str(c.payload_type) for c in spoken) or (draw(tokens),),
        mid=mid,
        direction=draw(directions),
        codecs=spoken,
        extensions=tuple(
            draw(st.lists(st.builds(Extension, id=st.integers(1, 65535), uri=words,
                                    direction=directions), max_size=3))
        ),
        rids=rids,
        simulcast_send=tuple(draw(st.lists(tokens, max_size=3))),
        simulcast_recv=tuple(draw(st.lists(tokens, max_size=3))),
        sources=tuple(
            draw(st.lists(st.builds(Source, ssrc=numbers, cname=values), max_size=3,
                          unique_by=lambda s: s.ssrc))
        ),
        source_groups=tuple(
            draw(st.lists(st.builds(SourceGroup, semantics=tokens,
                                    ssrcs=st.lists(numbers, max_size=3).map(tuple)), max_size=2))
        ),
        msid=draw(st.none() | st.tuples(words, words)),
        ice=draw(st.none() | st.builds(IceCredentials, words, words)),
        fingerprints=tuple(
            draw(st.lists(st.builds(Fingerprint, st.sampled_from(["sha-256", "sha-1"]),
                                    st.binary(min_size=1, max_size=4).map(
                                        lambda b: b.hex(":").upper())), max_size=2))
        ),
        setup=draw(st.sampled_from([None, "actpass", "active", "passive"])),
        candidates=tuple(f"candidate:{c}" for c in draw(st.lists(words, max_size=3))),
        end_of_candidates=draw(st.booleans()),
        rtcp_mux=draw(st.booleans()),
        rtcp_rsize=draw(st.booleans()),
        bundle_only=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def descriptions(draw: st.DrawFn) -> SessionDescription:
    mids = draw(st.lists(tokens, max_size=3, unique=True))
    return SessionDescription(
        sections=tuple(draw(sections(mid)) for mid in mids),
        origin_id=draw(st.integers(0, (1 << 64) - 1)),
        origin_version=draw(st.integers(0, (1 << 64) - 1)),
        bundle=tuple(draw(st.lists(tokens, max_size=3))),
        ice_lite=draw(st.booleans()),
        extmap_allow_mixed=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=40)
@given(descriptions())
def test_what_is_built_reads_back_the_same(description: SessionDescription) -> None:
    assert parse(build(description)) == description


@pytest.mark.parametrize("path", sorted(OFFERS.glob("*.sdp")), ids=lambda path: path.stem)
def test_real_offers_survive_a_round_trip(path: Path) -> None:
    offer = parse(path.read_text())
    assert parse(build(offer)) == offer


def reads_or_refuses(text: str) -> None:
    with contextlib.suppress(SdpError):
        parse(text)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_arbitrary_text_raises_nothing_but_sdp_errors(text: str) -> None:
    reads_or_refuses(text)
    reads_or_refuses(HEAD + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=" + text)


ATTRIBUTES = [
    "group", "ice-ufrag", "ice-pwd", "fingerprint", "setup", "mid", "rtpmap", "fmtp", "rtcp-fb",
    "extmap", "rid", "simulcast", "ssrc", "ssrc-group", "msid", "candidate", "ice-lite",
]  # fmt: skip
pieces = st.sampled_from(
    ["", " ", "96", "*", "send", "recv", "send q;h", "~", ";", ",", "/", "VP8/90000", "opus/48000/2",
     "-1", "99999999999999999999999", "٣", "FID", "BUNDLE", "cname:", "cname:x", "sha-256", "AA:BB",
     "apt=96", "\0", "\x85", "nack pli", "a b c"]
)  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ATTRIBUTES), st.lists(pieces, max_size=4)), max_size=12),
    st.booleans(),
)
def test_crooked_attributes_raise_nothing_but_sdp_errors(
    attributes: list[tuple[str, list[str]]], in_section: bool
) -> None:
    text = HEAD + ("m=audio 9 UDP/TLS/RTP/SAVPF 96\n" if in_section else "")
    reads_or_refuses(text + "".join(f"a={name}:{' '.join(rest)}\n" for name, rest in attributes))


@settings(deadline=None)
@given(st.data())
def test_damaged_real_offers_raise_nothing_but_sdp_errors(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(OFFERS.glob("*.sdp"))))
    text = path.read_text()
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 80))
    reads_or_refuses(text[:at] + data.draw(st.text(max_size=10)) + text[at + gone :])


def calls_of(work: Callable[[], object]) -> int:
    """Function calls, in Python and C: a measure of work that no clock disturbs."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    except SdpError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "line",
    [
        "a=rtcp-fb:* nack{}",
        "a=ssrc:{} cname:x",
        "a=extmap:1 urn:{}",
        "a=ssrc-group:FID 1 2",
        "a=candidate:{} 1 udp 1 192.0.2.1 9 typ host",
        "a=fmtp:96 x={}",
        "a=unknown:{}",
        "a=rid:r{} send",
    ],
)
def test_work_grows_no_faster_than_the_text(line: str) -> None:
    formats = " ".join(str(i) for i in range(20, 120))
    maps = "".join(f"a=rtpmap:{i} VP8/90000\n" for i in range(20, 120))

    def section(lines: int) -> str:
        body = "".join(line.format(i) + "\n" for i in range(lines))
        return f"m=video 9 UDP/TLS/RTP/SAVPF {formats}\n{maps}{body}"

    empty = calls_of(lambda: parse(HEAD + section(0)))
    half = calls_of(lambda: parse(HEAD + section(70))) - empty
    whole = calls_of(lambda: parse(HEAD + section(140))) - empty
    assert whole <= 2.3 * max(half, 70)


def test_largest_text_is_cheap_to_refuse() -> None:
    assert calls_of(lambda: parse("v=0\n" + "a=x\n" * 100_000)) < 50


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the description is empty"),
        ("hello", "line 1 of the description is not of the form x=value"),
        ("m=audio", "line 1 of the description should be v=0: this is not SDP"),
        ("v=0\n" + "a" * 70_000, "longer than 65536 characters"),
        (HEAD + "m=audio 9 RTP/AVP 0\n" * 65, "is one m-line more than the 64 allowed"),
        (HEAD + "a=x\n" * 257, "line 261 of the description is attribute 257 of its m-line"),
        (HEAD + "m=audio 99999 RTP/AVP 0", "has no port between 0 and 65535"),
        (HEAD + "m=audio", "should be m=kind port protocol formats"),
        (HEAD + "m=audio 9 x " + "1 " * 129, "should be m=kind port protocol formats"),
        (HEAD + "m=a 9 x 1\na=mid:a\nm=a 9 x 1\na=mid:a", "the same a=mid"),
        (HEAD + "m=a 9 x 1\na=ssrc:4294967296 cname:x", "has no SSRC between 0 and 4294967295"),
        (HEAD + "m=a 9 x 1\na=rtpmap:300 VP8/90000", "has no payload type"),
        (HEAD + "m=a 9 x 1\na=simulcast:send", "should be simulcast"),
        (HEAD + "m=a 9 x 1\na=rid:" + "r" * 17 + " send", "has no usable rid"),
        (HEAD + "a=setup:maybe", "should say setup"),
        (HEAD + "a=fingerprint:sha-256 XX", "hexadecimal"),
    ],
)
def test_refusals_say_where_and_what(text: str, said: str) -> None:
    with pytest.raises(SdpError, match=said):
        parse(text)


def test_session_level_lines_serve_silent_m_lines() -> None:
    offer = parse(
        HEAD + "a=ice-ufrag:session\na=ice-pwd:secret\na=setup:passive\n"
        "a=fingerprint:SHA-256 aa:bb\na=recvonly\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\na=ice-ufrag:own\na=ice-pwd:own\na=sendonly\n"
    )
    audio, video = offer.sections
    assert audio.ice == IceCredentials("session", "secret")
    assert video.ice == IceCredentials("own", "own")
    assert audio.fingerprints == video.fingerprints == (Fingerprint("sha-256", "AA:BB"),)
    assert (audio.setup, audio.direction, video.direction) == ("passive", "recvonly", "sendonly")


def test_simulcast_takes_first_alternatives_and_paused_streams() -> None:
    offer = parse(HEAD + "m=video 9 x 96\na=simulcast:send q,z;~h;f recv a\n")
    assert offer.sections[0].simulcast_send == ("q", "h", "f")
    assert offer.sections[0].simulcast_recv == ("a",)


def test_fragment_round_trip() -> None:
    ice = IceCredentials("abcd", "e" * 22)
    candidates = ("candidate:1 1 udp 1 192.0.2.1 9 typ host", "candidate:2 1 udp 1 ::1 9 typ host")
    fragment = parse_fragment(build_fragment(ice, candidates))
    assert (fragment.ice, fragment.candidates) == (ice, candidates)
    assert fragment.end_of_candidates


def test_fragment_may_lack_m_lines_or_candidates() -> None:
    bare = parse_fragment("a=ice-ufrag:u\r\na=ice-pwd:p\r\n")
    assert bare.ice == IceCredentials("u", "p")
    assert bare.candidates == ()
    assert parse_fragment("a=candidate:1 1 udp 1 192.0.2.1 9 typ host").ice is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_fragments_raise_nothing_but_sdp_errors(text: str) -> None:
    with contextlib.suppress(SdpError):
        parse_fragment(text)


def test_fragment_of_thousands_of_candidates_is_refused() -> None:
    with pytest.raises(SdpError, match="longer than"):
        parse_fragment("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n" * 10_000)
