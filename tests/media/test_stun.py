"""Checks read and answered by our own hand are what aioice makes and takes."""

from __future__ import annotations

import random

import pytest
from aioice.stun import Class, Message, Method
from hypothesis import given
from hypothesis import strategies as st

from media import stun

PWD = "secret/of+22characters"


def request(**attributes: object) -> bytes:
    message = Message(
        message_method=Method.BINDING,
        message_class=Class.REQUEST,
        attributes={"USERNAME": "ours:theirs", **attributes},
    )
    message.add_message_integrity(PWD.encode())
    return bytes(message)


def test_a_check_is_read_with_what_it_wants() -> None:
    plain = request(**{"PRIORITY": 1, "ICE-CONTROLLING": 7})
    assert stun.check(plain, PWD) == stun.Check(plain[8:20])
    nominating = request(**{"USE-CANDIDATE": None})
    assert stun.check(memoryview(nominating), PWD) == stun.Check(nominating[8:20], nominates=True)
    reversed_ = request(**{"ICE-CONTROLLED": 7})
    assert stun.check(reversed_, PWD) == stun.Check(reversed_[8:20], controlled=True)
    assert stun.check(plain, PWD + "x") is None


@pytest.mark.parametrize("tail", [b"", b"\x80\x28\0\4\0\0\0\0", b"\0\x25\0\0"])
def test_a_check_needs_no_fingerprint_but_not_a_wrong_one(tail: bytes) -> None:
    whole = bytearray(request())[:-8]
    altered = whole + tail
    altered[2:4] = (len(altered) - 20).to_bytes(2, "big")
    found = stun.check(bytes(altered), PWD)
    assert found == (None if tail[:1] == b"\x80" else stun.Check(bytes(altered[8:20])))


def test_every_flipped_bit_makes_a_check_unauthentic() -> None:
    whole = request(**{"USE-CANDIDATE": None})
    for at in range(len(whole) * 8):
        altered = bytearray(whole)
        altered[at // 8] ^= 1 << at % 8
        assert stun.check(bytes(altered), PWD) is None or at // 8 >= len(whole) - 8


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_make_reading_a_check_raise(data: bytes, cut: int) -> None:
    assert stun.check(data, PWD) is None
    head = b"\0\1" + max(0, len(data)).to_bytes(2, "big") + stun.COOKIE + bytes(12)
    stun.check(head + data, PWD)
    assert stun.check(request()[:cut], PWD) is None or cut >= len(request())


@pytest.mark.parametrize("address", [("127.0.0.1", 40_000), ("2001:db8::1", 9), ("::1", 65_535)])
def test_the_answer_is_what_others_read(address: tuple[str, int]) -> None:
    seed = 7
    print(f"seed {seed}")
    check = stun.Check(random.Random(seed).randbytes(12))
    answer = stun.read(stun.success(check, address, PWD), PWD)
    assert answer is not None
    assert stun.is_success(answer)
    assert answer.transaction_id == check.transaction_id
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == address
