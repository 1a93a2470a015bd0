from __future__ import annotations

from pathlib import Path

import pytest

from media.core import extensions
from media.parameters import DtlsRole, Fingerprint, IceCredentials, TransportParameters
from media.sdp import (
    IncomingTrack,
    NoCodecError,
    OutgoingTrack,
    PlayerAgreement,
    PublisherAgreement,
    SdpError,
    SessionDescription,
    answer_player,
    answer_publisher,
    parse,
)

OFFERS = Path(__file__).parents[2] / "fixtures" / "offers"
LOCAL = TransportParameters(IceCredentials("ours", "p" * 24), (Fingerprint("sha-256", "AA:BB"),))
CANDIDATES = [
    "candidate:1 1 udp 99 192.0.2.9 4000 typ host",
    "candidate:2 1 udp 98 ::9 4000 typ host",
]
TRANSPORT = (
    "a=ice-ufrag:u\na=ice-pwd:pppppppppppppppppppppp\na=fingerprint:sha-256 00:11\n"
    "a=setup:actpass\n"
)
HEAD = "v=0\no=- 7 8 IN IP4 127.0.0.1\ns=-\nt=0 0\n" + TRANSPORT
VP8 = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\na=rtcp-mux\na=rtpmap:96 VP8/90000\na=sendonly\n"
OPUS = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:a\na=rtcp-mux\na=rtpmap:111 opus/48000/2\na=sendonly\n"
)


def fixture(client: str) -> str:
    return (OFFERS / f"whip-{client}.sdp").read_text()


def publish(
    text: str, accept: set[str] | None = None, role: DtlsRole | None = None
) -> tuple[PublisherAgreement, SessionDescription]:
    agreement = answer_publisher(
        parse(text), local=LOCAL, candidates=CANDIDATES, accept=accept, role=role
    )
    return agreement, parse(agreement.text)


def video_of(agreement: PublisherAgreement) -> IncomingTrack:
    return next(track for track in agreement.incoming if track.kind == "video")


@pytest.mark.parametrize("client", ["chromium", "firefox", "wrtc"])
def test_browsers_get_vp8_with_all_their_layers(client: str) -> None:
    agreement, answer = publish(fixture(client))
    video = video_of(agreement)
    assert video.codec.name == "VP8"
    assert video.rids == ("q", "h", "f")
    assert video.rtx == {"chromium": 97, "firefox": 124, "wrtc": 97}[client]
    assert video.codec.feedback
    assert {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"} == set(video.codec.feedback)
    section = answer.sections[0]
    assert section.formats == (str(video.codec.payload_type), str(video.rtx))
    assert section.simulcast_recv == ("q", "h", "f")
    assert [(rid.id, rid.direction) for rid in section.rids] == [
        ("q", "recv"), ("h", "recv"), ("f", "recv"),
    ]  # fmt: skip
    assert section.direction == "recvonly"
    assert agreement.role == "server"


@pytest.mark.parametrize("client", ["chromium", "firefox", "wrtc", "ndc", "ffmpeg9"])
def test_every_answer_carries_one_lite_bundled_transport(client: str) -> None:
    offer = parse(fixture(client))
    agreement, answer = publish(fixture(client))
    assert answer.ice_lite
    assert answer.bundle == offer.bundle == tuple(s.mid for s in answer.sections)
    assert (answer.origin_id, answer.origin_version) == (offer.origin_id, offer.origin_version)
    assert agreement.remote.ice == offer.sections[0].ice
    assert agreement.remote.fingerprints == offer.sections[0].fingerprints
    for section in answer.sections:
        assert section.ice == LOCAL.ice
        assert section.fingerprints == LOCAL.fingerprints
        assert section.candidates == tuple(CANDIDATES)
        assert section.rtcp_mux
        assert section.end_of_candidates
        assert len({e.id for e in section.extensions}) == len(section.extensions)


def test_audio_is_opus_with_fec_and_its_level() -> None:
    agreement, _ = publish(fixture("chromium"))
    audio = next(track for track in agreement.incoming if track.kind == "audio")
    assert (audio.codec.name, audio.codec.channels) == ("opus", 2)
    assert "useinbandfec=1" in audio.codec.fmtp
    assert audio.extensions[12] == extensions.AUDIO_LEVEL
    assert audio.sources == ((1869014620, None),)
    assert audio.msid[1] == "7a73448c-d191-429c-a31c-950197882712"


def test_redundant_audio_is_taken_and_sent_if_the_offer_prefers_it() -> None:
    text = fixture("chromium")
    for order, first in (("111 63", "opus"), ("63 111", "red")):
        agreement, answer = publish(text.replace(" 111 63 ", f" {order} ", 1))
        audio = next(track for track in agreement.incoming if track.kind == "audio")
        assert (audio.codec.name, audio.codec.payload_type, audio.red) == ("opus", 111, 63)
        section = next(s for s in answer.sections if s.kind == "audio")
        assert [c.name for c in section.codecs] == ["opus", "red"][:: 1 if first == "opus" else -1]
        assert section.formats[0] == str(section.codecs[0].payload_type)


def test_redundancy_of_another_codec_or_of_two_is_not_taken() -> None:
    for blocks in ("111/9", "9/9", "111"):
        text = fixture("chromium").replace("a=fmtp:63 111/111", f"a=fmtp:63 {blocks}")
        agreement, answer = publish(text)
        audio = next(track for track in agreement.incoming if track.kind == "audio")
        assert audio.red is None
        assert "red" not in [c.name for s in answer.sections for c in s.codecs]


def test_extensions_keep_the_offers_ids_and_turn_its_directions() -> None:
    agreement, answer = publish(fixture("firefox"))
    assert video_of(agreement).extensions == {
        3: extensions.MID,
        4: extensions.ABS_SEND_TIME,
        7: extensions.TRANSPORT_CC,
        9: extensions.RID,
        10: extensions.REPAIRED_RID,
    }
    directions = {e.id: e.direction for e in answer.sections[0].extensions}
    assert directions[9] == directions[10] == "recvonly"
    assert directions[3] == "sendrecv"


def test_firefox_ssrcs_are_paired_with_their_retransmissions() -> None:
    agreement, _ = publish(fixture("firefox"))
    assert video_of(agreement).sources == (
        (3557141567, 4144328962),
        (1426355098, 3600626821),
        (102324551, 260692752),
    )


def test_ffmpeg_is_passive_so_we_are_active_and_h264_is_taken() -> None:
    agreement, answer = publish(fixture("ffmpeg9"))
    assert agreement.role == "client"
    assert {section.setup for section in answer.sections} == {"active"}
    video = video_of(agreement)
    assert (video.codec.name, video.codec.payload_type, video.rtx) == ("H264", 106, 105)
    assert "profile-level-id=42000b" in video.codec.fmtp
    assert video.codec.feedback == ("nack",)
    assert video.sources == ((4007739738, 4007739739),)
    assert video.rids == ()
    assert answer.sections[1].simulcast_recv == ()


def test_libdatachannel_has_session_level_fingerprint_and_word_mid() -> None:
    agreement, answer = publish(fixture("ndc"))
    assert [track.mid for track in agreement.incoming] == ["video"]
    assert agreement.incoming[0].sources == ((42, None),)
    assert agreement.remote.fingerprints[0].value.startswith("E9:7D")
    assert answer.sections[0].setup == "passive"


def test_lines_not_asked_for_are_inactive_and_stay_in_the_bundle() -> None:
    agreement, answer = publish(fixture("chromium"), accept={"1"})
    assert [track.mid for track in agreement.incoming] == ["1"]
    assert [section.direction for section in answer.sections] == ["inactive", "recvonly"]
    assert answer.bundle == ("0", "1")
    assert answer.sections[0].simulcast_recv == ()


def test_h264_baseline_with_packetization_mode_1_is_preferred() -> None:
    text = fixture("chromium").replace("VP8/90000", "XX8/90000")
    assert video_of(publish(text)[0]).codec.payload_type == 108


def test_unusable_lines_are_rejected_by_port_0_and_the_rest_is_taken() -> None:
    offer = (
        HEAD + "a=group:BUNDLE v a d s\n" + VP8 + OPUS
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:d\n"
        + VP8.replace("mid:v", "mid:s").replace("VP8", "H266")
        + VP8.replace("mid:v", "mid:x")
        + VP8.replace("mid:v", "mid:n").replace("a=rtcp-mux\n", "")
    )  # fmt: skip
    agreement, answer = publish(offer)
    assert [track.mid for track in agreement.incoming] == ["v", "a"]
    assert [bool(section.port) for section in answer.sections] == [True, True] + [False] * 4
    assert answer.sections[2].formats == ("webrtc-datachannel",)
    assert answer.bundle == ("v", "a")


def test_port_0_is_taken_only_as_bundle_only() -> None:
    dead = VP8.replace("video 9", "video 0")
    offer = HEAD + "a=group:BUNDLE a v\n" + OPUS
    assert len(publish(offer + dead)[0].incoming) == 1
    agreement, answer = publish(offer + dead + "a=bundle-only\n")
    assert len(agreement.incoming) == 2
    assert answer.sections[1].port == 9


def test_without_a_bundle_only_the_first_line_is_taken() -> None:
    agreement, answer = publish(HEAD + OPUS + VP8)
    assert [track.mid for track in agreement.incoming] == ["a"]
    assert answer.sections[1].port == 0
    assert answer.bundle == ()


def test_role_once_taken_stays() -> None:
    assert publish(HEAD + OPUS, role="client")[0].role == "client"
    assert publish(HEAD + OPUS, role="server")[0].role == "server"
    with pytest.raises(SdpError, match="changes DTLS roles"):
        publish((HEAD + OPUS).replace("actpass", "passive"), role="server")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "no usable m-line (none at all)"),
        (HEAD + VP8.replace("VP8", "H266"), "offer VP8, H264, VP9 or AV1"),
        (HEAD + VP8.replace("a=rtcp-mux\n", ""), "a=rtcp-mux is missing"),
        (HEAD + VP8.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "RTP/AVP is not UDP/TLS/RTP/SAVPF"),
        (HEAD + "a=ice-lite\n" + VP8, "one side must do full ICE"),
        (HEAD.replace("a=ice-pwd:pppppppppppppppppppppp\n", "") + VP8, "a=ice-ufrag and a=ice-pwd"),
        (HEAD.replace("sha-256", "sha-1") + VP8, "no a=fingerprint of sha-256"),
        (HEAD + "m=application 9 UDP/DTLS/SCTP x\na=mid:d\n", "neither audio nor video"),
    ],
)
def test_hopeless_offers_are_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(SdpError) as refused:
        publish(text)
    assert said in str(refused.value)


def test_more_layers_than_three_are_not_taken() -> None:
    layers = "".join(f"a=rid:{c} send\n" for c in "abcd") + "a=simulcast:send a;b;c;d\n"
    agreement, _ = publish(HEAD + VP8 + f"a=extmap:1 {extensions.RID}\n" + layers)
    assert agreement.incoming[0].rids == ("a", "b", "c")
    assert publish(HEAD + VP8 + layers)[0].incoming[0].rids == ()


def track(codec: str, fmtp: str = "", kind: str = "video") -> OutgoingTrack:
    return OutgoingTrack(
        track=f"T-{codec}", stream="S", kind=kind, codec=codec,  # type: ignore[arg-type]
        clock_rate=48000 if kind == "audio" else 90000, channels=2 if kind == "audio" else 1,
        fmtp=fmtp, ssrc=11, rtx_ssrc=12,
    )  # fmt: skip


def play(text: str, *tracks: OutgoingTrack) -> tuple[PlayerAgreement, SessionDescription]:
    agreement = answer_player(
        parse(text), local=LOCAL, candidates=CANDIDATES, tracks={t.kind: t for t in tracks}
    )
    return agreement, parse(agreement.text)


def player_offer() -> str:
    return fixture("chromium").replace("a=sendonly", "a=recvonly")


def test_player_gets_its_payload_types_and_our_ssrcs() -> None:
    agreement, answer = play(player_offer(), track("VP8"), track("opus", kind="audio"))
    video, audio = agreement.outgoing
    assert (video.mid, video.codec.payload_type, video.rtx) == ("0", 96, 97)
    assert (audio.mid, audio.codec.payload_type, audio.rtx) == ("1", 111, None)
    assert extensions.RID not in video.extensions.values()
    section = answer.sections[0]
    assert section.direction == "sendonly"
    assert section.msid == ("S", "T-VP8")
    assert section.source_groups[0].ssrcs == (11, 12)
    assert section.simulcast_send == ()


@pytest.mark.parametrize(
    ("fmtp", "payload_type"),
    [
        ("packetization-mode=1;profile-level-id=42e01f", 108),
        ("packetization-mode=0;profile-level-id=42e01f", 114),
        ("packetization-mode=1;profile-level-id=640028", 102),
    ],
)
def test_player_decodes_the_nearest_h264(fmtp: str, payload_type: int) -> None:
    agreement, _ = play(player_offer(), track("H264", fmtp))
    assert agreement.outgoing[0].codec.payload_type == payload_type


def test_vp9_profile_must_be_offered() -> None:
    assert (
        play(player_offer(), track("VP9", "profile-id=2"))[0].outgoing[0].codec.payload_type == 100
    )
    with pytest.raises(NoCodecError):
        play(player_offer(), track("VP9", "profile-id=3"))


def test_player_without_the_codec_is_told_which() -> None:
    offer = fixture("firefox").replace("a=sendonly", "a=recvonly")
    with pytest.raises(NoCodecError, match="the stream's video is H264"):
        play(offer, track("H264"), track("opus", kind="audio"))


def test_lines_with_nothing_to_play_are_inactive() -> None:
    agreement, answer = play(player_offer(), track("opus", kind="audio"))
    assert [line.mid for line in agreement.outgoing] == ["1"]
    assert [section.direction for section in answer.sections] == ["inactive", "sendonly"]


@pytest.mark.parametrize(("codec", "layered"), [("VP8", False), ("VP9", True), ("AV1", True)])
def test_dependency_descriptors_are_taken_of_codecs_with_layers_in_one_stream(
    codec: str, layered: bool
) -> None:
    line = VP8.replace("VP8", codec) + f"a=extmap:12 {extensions.DEPENDENCY_DESCRIPTOR}\n"
    agreement, _ = publish(HEAD + line)
    assert (12 in video_of(agreement).extensions) is layered
