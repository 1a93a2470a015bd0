from __future__ import annotations

from dataclasses import replace

import pytest

from media.client import descriptions
from media.core import extensions
from media.parameters import Fingerprint, IceCredentials, TransportParameters
from media.sdp import OutgoingTrack, SdpError, SubscriberOffers, build, parse
from media.sdp.model import Section

LOCAL = TransportParameters(IceCredentials("ours", "p" * 24), (Fingerprint("sha-256", "AA:BB"),))
THEIRS = TransportParameters(IceCredentials("them", "q" * 24), (Fingerprint("sha-256", "CC:DD"),))
CANDIDATES = ["candidate:1 1 udp 99 192.0.2.9 4000 typ host"]


def track(name: str, kind: str = "video", codec: str = "VP8", fmtp: str = "") -> OutgoingTrack:
    number = abs(hash(name)) % 1_000_000
    return OutgoingTrack(
        track=name, stream=f"of-{name}", kind=kind, codec=codec,  # type: ignore[arg-type]
        clock_rate=48000 if kind == "audio" else 90000, channels=2 if kind == "audio" else 1,
        fmtp=fmtp, ssrc=number, rtx_ssrc=number + 1,
    )  # fmt: skip


def offer(offers: SubscriberOffers) -> tuple[str, tuple[Section, ...]]:
    text = offers.offer(LOCAL, CANDIDATES)
    return text, parse(text).sections


def answer(text: str, *, without: str = "") -> str:
    """As a browser does; ``without`` names a codec it does not have."""
    sections = [
        replace(s, port=0) if any(c.name == without for c in s.codecs) else s
        for s in descriptions.answering_sections(parse(text))
    ]
    return descriptions.described(sections, THEIRS, "active", session_id=1, version=1)


def test_offer_says_all_a_browser_needs() -> None:
    offers = SubscriberOffers()
    assert offers.set([track("A", "audio", "opus"), track("V")])
    text, (audio, video) = offer(offers)
    whole = parse(text)
    assert whole.ice_lite
    assert whole.bundle == ("0", "1")
    assert {s.setup for s in whole.sections} == {"actpass"}
    assert {s.direction for s in whole.sections} == {"sendonly"}
    assert audio.codecs[0].name == "opus"
    assert "useinbandfec=1" in audio.codecs[0].fmtp
    assert [c.name for c in video.codecs] == ["VP8", "rtx"]
    assert "nack pli" in video.codecs[0].feedback
    assert video.msid == ("of-V", "V")
    assert video.source_groups[0].semantics == "FID"
    assert video.source_groups[0].ssrcs == tuple(s.ssrc for s in video.sources)
    assert {e.uri for e in audio.extensions} >= {extensions.MID, extensions.AUDIO_LEVEL}
    by_id: dict[int, set[str]] = {}
    for section in whole.sections:
        for extension in section.extensions:
            by_id.setdefault(extension.id, set()).add(extension.uri)
    assert all(len(uris) == 1 for uris in by_id.values())


def test_agreement_names_what_may_be_sent() -> None:
    offers = SubscriberOffers()
    offers.set([track("V")])
    text, _ = offer(offers)
    agreement = offers.accept(answer(text))
    (line,) = agreement.outgoing
    assert (line.mid, line.track.track, line.codec.payload_type, line.rtx) == ("0", "V", 96, 97)
    assert extensions.MID in line.extensions.values()
    assert agreement.remote == THEIRS
    assert agreement.role == "server"
    assert agreement.refused == ()


def test_mids_stay_and_idle_lines_are_used_again() -> None:
    offers = SubscriberOffers()
    offers.set([track("A"), track("B"), track("C", "audio", "opus")])
    assert offers.tracks == {"0": "A", "1": "B", "2": "C"}
    assert offers.set([track("B"), track("C", "audio", "opus")])
    _, sections = offer(offers)
    assert [s.direction for s in sections] == ["inactive", "sendonly", "sendonly"]
    assert sections[0].port == 9
    assert sections[0].sources == ()
    assert offers.set([track("B"), track("D"), track("C", "audio", "opus")])
    assert offers.tracks == {"0": "D", "1": "B", "2": "C"}
    assert len(offer(offers)[1]) == 3


def test_same_wish_needs_no_offer() -> None:
    offers = SubscriberOffers()
    assert not offers.set([])
    assert offers.set([track("A"), track("B")])
    assert not offers.set([track("B"), track("A")])
    assert offers.set([replace(track("A"), ssrc=5), track("B")])


def test_versions_rise_and_session_stays() -> None:
    offers = SubscriberOffers()
    offers.set([track("A")])
    first, second = (parse(offer(offers)[0]) for _ in range(2))
    assert first.origin_id == second.origin_id
    assert second.origin_version == first.origin_version + 1


def test_refused_codec_is_reported_and_not_offered_again() -> None:
    offers = SubscriberOffers()
    h264 = track("H", codec="H264", fmtp="packetization-mode=1;profile-level-id=42e01f")
    offers.set([h264, track("V")])
    agreement = offers.accept(answer(offer(offers)[0], without="H264"))
    assert agreement.refused == ("H",)
    assert [line.track.track for line in agreement.outgoing] == ["V"]
    assert not offers.set([h264, track("V")])
    text, sections = offer(offers)
    assert sections[0].port == 0
    assert parse(text).bundle == ("1",)


def test_rejected_line_gets_a_new_mid_when_used_again() -> None:
    offers = SubscriberOffers()
    offers.set([track("H", codec="H264"), track("V")])
    offers.accept(answer(offer(offers)[0], without="H264"))
    offers.set([track("V"), track("W")])
    assert offers.tracks == {"2": "W", "1": "V"}
    _, sections = offer(offers)
    assert [s.mid for s in sections] == ["2", "1"]
    assert sections[0].port == 9


def test_codecs_of_other_configuration_get_other_payload_types() -> None:
    offers = SubscriberOffers()
    fmtps = [f"packetization-mode=1;profile-level-id={p}" for p in ("42e01f", "640028", "42e01f")]
    offers.set([track(str(i), codec="H264", fmtp=fmtp) for i, fmtp in enumerate(fmtps)])
    _, sections = offer(offers)
    types = [s.codecs[0].payload_type for s in sections]
    assert types[0] == types[2] != types[1]
    assert sections[1].codecs[1].fmtp == f"apt={types[1]}"


def test_more_configurations_than_payload_types_are_left_out() -> None:
    offers = SubscriberOffers()
    tracks = [track(str(i), codec="AV1", fmtp=f"level-idx={i}") for i in range(20)]
    offers.set(tracks)
    assert len(offers.tracks) == 12
    assert not offers.set(tracks)


def test_hundreds_of_tracks_fit_and_no_more() -> None:
    offers = SubscriberOffers()
    offers.set([track(str(i)) for i in range(300)])
    assert len(offers.tracks) == 256
    text, _ = offer_of_many(offers)
    assert len(offers.accept(answer_of_many(text)).outgoing) == 256


def offer_of_many(offers: SubscriberOffers) -> tuple[str, int]:
    text = offers.offer(LOCAL, CANDIDATES)
    return text, len(text)


def answer_of_many(text: str) -> str:
    from media.sdp.parse import Bounds

    sections = descriptions.answering_sections(parse(text, Bounds(chars=1 << 20, sections=300)))
    return descriptions.described(sections, THEIRS, "active", session_id=1, version=1)


def test_answer_must_fit_the_offer() -> None:
    offers = SubscriberOffers()
    offers.set([track("A"), track("B")])
    text, _ = offer(offers)
    good = parse(answer(text))
    with pytest.raises(SdpError, match="has 1 m-lines, the offer 2"):
        offers.accept(build(replace(good, sections=good.sections[:1])))
    with pytest.raises(SdpError, match="another order"):
        offers.accept(build(replace(good, sections=good.sections[::-1])))
    with pytest.raises(SdpError, match="rejects every m-line"):
        offers.accept(
            build(replace(good, sections=tuple(replace(s, port=0) for s in good.sections)))
        )


def test_answer_is_matched_to_the_offer_it_answers() -> None:
    offers = SubscriberOffers()
    offers.set([track("A")])
    text, _ = offer(offers)
    offers.set([track("A"), track("B")])
    assert [line.track.track for line in offers.accept(answer(text)).outgoing] == ["A"]


def test_line_the_client_declines_is_refused_without_blaming_the_codec() -> None:
    offers = SubscriberOffers()
    offers.set([track("A")])
    text, _ = offer(offers)
    agreement = offers.accept(answer(text).replace("a=recvonly", "a=inactive"))
    assert agreement.refused == ("A",)
    assert offers.tracks == {"0": "A"}


def test_redundant_audio_is_offered_where_it_may_come_and_agreed_by_who_speaks_it() -> None:
    offers = SubscriberOffers()
    offers.set([replace(track("A", "audio", "opus"), red=True), track("B", "audio", "opus")])
    text, (first, second) = offer(offers)
    assert [(c.name, c.payload_type, c.fmtp) for c in first.codecs][1:] == [("red", 63, "111/111")]
    assert [c.payload_type for c in first.codecs + second.codecs] == [111, 63, 111]
    agreed = {line.track.track: line for line in offers.accept(answer(text)).outgoing}
    assert {name: line.red for name, line in agreed.items()} == {"A": 63, "B": None}
    offer(offers)
    plain = answer(text).replace("SAVPF 111 63", "SAVPF 111")
    plain = plain.replace("a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n", "")
    agreed = {line.track.track: line for line in offers.accept(plain).outgoing}
    assert {name: line.red for name, line in agreed.items()} == {"A": None, "B": None}


@pytest.mark.parametrize(("codec", "layered"), [("VP8", False), ("VP9", True), ("AV1", True)])
def test_dependency_descriptors_are_sent_with_codecs_with_layers_in_one_stream(
    codec: str, layered: bool
) -> None:
    offers = SubscriberOffers()
    offers.set([track("t", codec=codec)])
    _, (section,) = offer(offers)
    uris = {extension.uri for extension in section.extensions}
    assert (extensions.DEPENDENCY_DESCRIPTOR in uris) is layered
