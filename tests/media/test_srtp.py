from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.srtp import (
    MAX_PLAIN_BYTES,
    MAX_RESTING,
    PROFILES,
    Profile,
    SrtpKeys,
    SrtpSession,
    is_rtcp,
)


def pair(profile: Profile, **limits: int) -> tuple[SrtpSession, SrtpSession]:
    size = profile.key_bytes + profile.salt_bytes
    here, there = bytes(range(size)), bytes(range(100, 100 + size))
    return (
        SrtpSession(SrtpKeys(profile, tx=here, rx=there), **limits),  # type: ignore[arg-type]
        SrtpSession(SrtpKeys(profile, tx=there, rx=here), **limits),  # type: ignore[arg-type]
    )


def rtp(seq: int, ssrc: int = 1, payload: bytes = b"payload") -> bytes:
    return b"\x80\x60" + seq.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + payload


def rtcp(ssrc: int = 1) -> bytes:
    return b"\x80\xc9\0\1" + ssrc.to_bytes(4, "big")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_each_profile_carries_rtp_and_rtcp(profile: Profile) -> None:
    here, there = pair(profile)
    sealed = here.protect(rtp(1))
    assert sealed is not None
    assert b"payload" not in sealed
    assert there.unprotect(bytearray(sealed)) == rtp(1)
    sealed = there.protect_rtcp(rtcp())
    assert sealed is not None
    assert here.unprotect_rtcp(memoryview(bytearray(sealed))) == rtcp()
    assert here.profile == profile.name


def test_relay_session_takes_44_byte_keys() -> None:
    here, there = (
        SrtpSession.for_relay(b"a" * 44, b"b" * 44),
        SrtpSession.for_relay(b"b" * 44, b"a" * 44),
    )
    sealed = here.protect(rtp(9))
    assert sealed is not None
    assert there.unprotect(bytearray(sealed)) == rtp(9)
    with pytest.raises(ValueError, match="needs 44 bytes of key and salt, not 43"):
        SrtpSession.for_relay(b"a" * 43, b"b" * 44)


def test_replay_and_forgery_are_counted_not_raised() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"])
    sealed = here.protect(rtp(1))
    assert sealed is not None
    forged = bytearray(sealed)
    forged[-1] ^= 1
    assert there.unprotect(forged) is None
    assert there.unprotect(bytearray(sealed)) == rtp(1)
    assert there.unprotect(bytearray(sealed)) is None
    assert there.unprotect(bytearray(5)) is None
    assert there.counters == {"unauthentic": 1, "replayed": 1, "malformed": 1}


def test_sending_a_packet_again_is_allowed() -> None:
    here, _ = pair(PROFILES["SRTP_AEAD_AES_128_GCM"])
    assert here.protect(rtp(1)) == here.protect(rtp(1))


def test_packet_over_the_limit_is_counted() -> None:
    here, _ = pair(PROFILES["SRTP_AES128_CM_SHA1_80"])
    fits = here.protect(rtp(1, payload=bytes(MAX_PLAIN_BYTES - 12)))
    assert fits is not None
    assert len(fits) <= 1500
    assert here.protect(rtp(2, payload=bytes(MAX_PLAIN_BYTES - 11))) is None
    assert here.counters["oversized"] == 1


def test_two_thousand_ssrcs_are_not_remembered_and_forgetting_makes_room() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"], max_ssrcs=50)
    for ssrc in range(2000):
        sealed = here.protect(rtp(1, ssrc))
        assert sealed is not None
        there.unprotect(bytearray(sealed))
        here.forget(ssrc)
    assert there.counters["too_many_ssrcs"] == 1950
    there.release(7)
    sealed = here.protect(rtp(1, 5000))
    assert sealed is not None
    assert there.unprotect(bytearray(sealed)) == rtp(1, 5000)


def test_an_ssrc_that_rests_goes_on_under_its_rollover_counter() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"])
    sealed = [here.protect(rtp(seq & 0xFFFF)) for seq in range(0, 70_000, 500)]
    for packet in sealed:
        assert packet is not None
        assert there.unprotect(bytearray(packet)) is not None
    there.release(1)
    assert there.unprotect(bytearray(sealed[-1] or b"")) is None
    assert there.counters == {"replayed": 1}
    again = here.protect(rtp(70_000 & 0xFFFF))
    assert again is not None
    assert there.unprotect(bytearray(again)) is not None


def test_ssrcs_may_change_without_end_and_none_can_be_played_again() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"], max_ssrcs=2)
    recorded = []
    for ssrc in range(1000):
        sealed = here.protect(rtp(1, ssrc))
        assert sealed is not None
        recorded.append(sealed)
        assert there.unprotect(bytearray(sealed)) is not None
        there.release(ssrc)
    for sealed in recorded:
        assert there.unprotect(bytearray(sealed)) is None
    assert there.counters["replayed"] == MAX_RESTING
    assert there.counters["too_many_ssrcs"] == 1000 - MAX_RESTING


def test_what_is_forgotten_of_ours_is_not_what_we_know_of_theirs() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"])
    sealed = here.protect(rtp(1))
    assert sealed is not None
    assert there.unprotect(bytearray(sealed)) is not None
    there.forget(1)
    assert there.unprotect(bytearray(sealed)) is None
    assert there.counters == {"replayed": 1}


def test_forged_packets_of_new_ssrcs_take_no_room() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"], max_ssrcs=2)
    for ssrc in range(100):
        assert there.unprotect(bytearray(rtp(1, ssrc, bytes(40)))) is None
    sealed = here.protect(rtp(1, 1000))
    assert sealed is not None
    assert there.unprotect(bytearray(sealed)) is not None


def test_rollover_is_followed() -> None:
    here, there = pair(PROFILES["SRTP_AEAD_AES_128_GCM"])
    for seq in (65534, 65535, 0, 1):
        sealed = here.protect(rtp(seq))
        assert sealed is not None
        assert there.unprotect(bytearray(sealed)) == rtp(seq)


@settings(deadline=None)
@given(st.binary(max_size=1500))
def test_no_bytes_raise(packet: bytes) -> None:
    session, _ = pair(PROFILES["SRTP_AEAD_AES_128_GCM"])
    assert session.unprotect(bytearray(packet)) is None
    assert session.unprotect_rtcp(bytearray(packet)) is None
    session.protect(packet)
    session.protect_rtcp(packet)


def test_rtcp_is_told_by_its_type() -> None:
    assert [is_rtcp(bytes([0x80, kind])) for kind in (96, 111, 191, 192, 200, 223, 224, 239)] == [
        False, False, False, True, True, True, False, False,
    ]  # fmt: skip
