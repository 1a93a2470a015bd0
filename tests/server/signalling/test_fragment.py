"""Trickle-ICE fragments."""

from __future__ import annotations

import pytest

from media.rpc import IceCredentials
from server.signalling.fragment import Fragment, FragmentError, build, credentials_of, parse

PWD = "x" * 24
ANSWER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=ice-ufrag:abcd\r\n"


def test_trickled_candidates_carry_the_credentials() -> None:
    text = (
        f"a=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=end-of-candidates\r\n"
    )
    assert parse(text) == Fragment("abcd", PWD)


def test_a_fragment_without_credentials_is_a_trickle() -> None:
    assert parse("a=end-of-candidates") == Fragment("", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n\r\n",
        "hello",
        '{"candidate": ""}',
        "a=ice-ufrag:abcd",
        f"a=ice-pwd:{PWD}",
        f"a=ice-ufrag:abc\na=ice-pwd:{PWD}",
        f"a=ice-ufrag:ab cd\na=ice-pwd:{PWD}",
        "a=ice-ufrag:abcd\na=ice-pwd:short",
        "a=mid:\x00",
    ],
)
def test_what_is_no_fragment_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(FragmentError, match=r"\.$"):
        parse(text)


def test_credentials_come_from_the_first_line_that_names_them() -> None:
    offer = f"v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\na=ice-ufrag:efgh\r\n"
    assert credentials_of(offer) == Fragment("abcd", PWD)


def test_our_fragment_names_the_first_m_line_and_reads_back() -> None:
    ours = IceCredentials(
        ufrag="wxyz", pwd=PWD, candidates=["candidate:1 1 udp 1 192.0.2.1 7882 typ host"]
    )
    text = build(ours, ANSWER)
    assert parse(text) == Fragment("wxyz", PWD)
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n" in text
    assert "a=candidate:1 1 udp 1 192.0.2.1 7882 typ host\r\n" in text
