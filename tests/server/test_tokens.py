from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import hypothesis
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.errors import Code, RoomError
from rooms.ids import RoomId
from rooms.live import Role, Source
from server.config import Settings
from server.tokens import LEEWAY_S, MAX_LIFETIME_S, Grant, bearer, mint, verify
from tests.server.settings import SECRET, make_settings

NOW_MS = 1_795_000_000_000
NOW_S = NOW_MS // 1000


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_settings(tmp_path_factory.mktemp("tokens"))


def claims(**changes: Any) -> dict[str, Any]:
    """A good token's claims; a change to ``...`` leaves a claim out."""
    good = {
        "iss": "yunhai",
        "aud": "yunhai",
        "sub": "ann",
        "name": "Ann",
        "nbf": NOW_S,
        "exp": NOW_S + 3600,
        "jti": "1",
        "video": {"room": "hall", "roomJoin": True},
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def signed(payload: object, *, secret: str = SECRET, header: object = None) -> str:
    """Sign anything, even what a library refuses to sign."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    text = f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(payload)}"
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def refusal(settings: Settings, token: str, *, now_ms: int = NOW_MS) -> str:
    with pytest.raises(RoomError) as caught:
        verify(settings, token, now_ms=now_ms)
    assert caught.value.code is Code.BAD_TOKEN
    return caught.value.message


def outcome(settings: Settings, token: str) -> Grant | Code:
    try:
        return verify(settings, token, now_ms=NOW_MS)
    except RoomError as error:
        return error.code


def test_minted_token_says_what_was_asked(settings: Settings) -> None:
    token = mint(
        settings,
        identity="ann@example.org",
        name="Ann 安",
        role=Role.SPEAKER,
        room="hall",
        sources=frozenset({Source.CAMERA, Source.SCREEN}),
        subscribe=False,
        city="tokyo",
        now_ms=NOW_MS,
    )
    grant = verify(settings, token, now_ms=NOW_MS)
    assert (grant.identity, grant.name, grant.role) == ("ann@example.org", "Ann 安", Role.SPEAKER)
    assert grant.opens(RoomId("hall"))
    assert not grant.opens(RoomId("other"))
    assert grant.sources == frozenset({Source.CAMERA, Source.SCREEN})
    assert grant.may_publish
    assert not grant.may_subscribe
    assert not grant.may_create
    assert grant.city == "tokyo"
    assert grant.expires_ms == (NOW_S + 6 * 3600) * 1000


def test_operator_token_opens_every_room(settings: Settings) -> None:
    token = mint(
        settings,
        identity="op",
        name="Op",
        role=Role.MODERATOR,
        any_room=True,
        create=True,
        now_ms=NOW_MS,
    )
    grant = verify(settings, token, now_ms=NOW_MS)
    assert grant.opens(RoomId("anything"))
    assert grant.may_create


def test_two_tokens_for_one_person_have_different_ids(settings: Settings) -> None:
    one, two = (
        mint(settings, identity="a", name="A", role=Role.MEMBER, room="hall", now_ms=NOW_MS)
        for _ in range(2)
    )
    assert (
        verify(settings, one, now_ms=NOW_MS).token_id
        != verify(settings, two, now_ms=NOW_MS).token_id
    )


@pytest.mark.parametrize(
    ("video", "may_publish"),
    [({}, True), ({"canPublish": True}, True), ({"canPublish": False}, False)],
)
def test_only_the_token_s_own_word_withholds_publishing_from_a_viewer(
    settings: Settings, video: dict[str, Any], may_publish: bool
) -> None:
    """What a viewer may do is the permission table's business, and a role can change."""
    video = {"room": "hall", "roomJoin": True, **video}
    grant = verify(settings, signed(claims(video=video, venue={"role": "viewer"})), now_ms=NOW_MS)
    assert (grant.role, grant.may_publish) == (Role.VIEWER, may_publish)


@pytest.mark.parametrize(
    ("video", "role"),
    [
        ({"roomAdmin": True}, Role.MODERATOR),
        ({"canPublish": True}, Role.MEMBER),
        ({}, Role.MEMBER),
        ({"canPublish": False}, Role.VIEWER),
    ],
)
def test_livekit_token_without_our_claim_gets_the_role_its_grants_amount_to(
    settings: Settings, video: dict[str, Any], role: Role
) -> None:
    token = signed(claims(video={"room": "hall", "roomJoin": True, **video}))
    assert verify(settings, token, now_ms=NOW_MS).role is role


def test_livekit_names_of_sources_are_understood(settings: Settings) -> None:
    video = {"room": "hall", "roomJoin": True, "canPublishSources": ["screen_share", "camera"]}
    grant = verify(settings, signed(claims(video=video)), now_ms=NOW_MS)
    assert grant.sources == frozenset({Source.SCREEN, Source.CAMERA})


def test_expiry_is_told_with_its_time(settings: Settings) -> None:
    late = NOW_MS + (3600 + LEEWAY_S) * 1000
    assert "expired on 2026-11-18" in refusal(settings, signed(claims()), now_ms=late)


def test_clocks_may_differ_by_the_leeway(settings: Settings) -> None:
    token = signed(claims())
    verify(settings, token, now_ms=NOW_MS + (3600 + LEEWAY_S - 1) * 1000)
    verify(settings, token, now_ms=NOW_MS - LEEWAY_S * 1000)
    assert "valid from" in refusal(settings, token, now_ms=NOW_MS - (LEEWAY_S + 1) * 1000)


def test_foreign_signature_is_told_as_such(settings: Settings) -> None:
    assert "not signed by this convention" in refusal(settings, signed(claims(), secret="y" * 40))


@pytest.mark.parametrize("alg", ["none", "None", "HS512", "RS256", "ES256", "", None, 5, ["HS256"]])
def test_only_the_pinned_algorithm_is_believed(settings: Settings, alg: object) -> None:
    refusal(settings, signed(claims(), header={"alg": alg, "typ": "JWT"}))


def test_unsigned_token_is_refused(settings: Settings) -> None:
    refusal(settings, jwt.encode(claims(), "", algorithm="none"))
    refusal(settings, signed(claims(), header={"alg": "none"}).rpartition(".")[0] + ".")


@pytest.mark.parametrize("kid", ["../../../dev/null", "/proc/self/environ", "' OR 1=1", "x" * 4000])
def test_key_hints_in_the_header_change_nothing(settings: Settings, kid: str) -> None:
    header = {"alg": "HS256", "kid": kid, "jku": "http://127.0.0.1/", "jwk": {"k": "eQ"}}
    good = outcome(settings, signed(claims()))
    long = len(kid) > 2000
    assert outcome(settings, signed(claims(), header=header)) == (Code.BAD_TOKEN if long else good)
    refusal(settings, signed(claims(), secret="", header=header))


def test_empty_secret_signs_nothing(settings: Settings) -> None:
    assert "not signed by this convention" in refusal(settings, signed(claims(), secret=""))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "nbf"])
def test_missing_claim_is_named(settings: Settings, claim: str) -> None:
    assert claim in refusal(settings, signed(claims(**{claim: ...})))


@pytest.mark.parametrize(("claim", "value"), [("iss", "other"), ("aud", "other"), ("aud", ["x"])])
def test_token_for_another_service_is_told_as_such(
    settings: Settings, claim: str, value: object
) -> None:
    assert "another service" in refusal(settings, signed(claims(**{claim: value})))


@pytest.mark.parametrize(
    "video", [..., {}, {"room": "hall"}, {"roomJoin": True}, {"room": "", "roomJoin": True}]
)
def test_token_without_a_room_says_that_it_opens_none(settings: Settings, video: object) -> None:
    assert "opens no room" in refusal(settings, signed(claims(video=video)))


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ""},
        {"sub": 5},
        {"sub": "a" * 65},
        {"sub": "../x"},
        {"name": "x" * 65},
        {"name": ["x"]},
        {"name": "a\nb"},
        {"name": "a\u202eb"},
        {"exp": "soon"},
        {"exp": True},
        {"exp": None},
        {"exp": -1},
        {"exp": 10**30},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": NOW_S + MAX_LIFETIME_S + 1},
        {"nbf": 1e300},
        {"nbf": {}},
        {"jti": "x" * 65},
        {"jti": 7},
        {"video": []},
        {"video": {"room": "Hall!", "roomJoin": True}},
        {"video": {"room": 7, "roomJoin": True}},
        {"video": {"room": "hall", "roomJoin": "yes"}},
        {"video": {"room": "hall", "roomJoin": 1}},
        {"video": {"room": "hall", "roomJoin": True, "canPublishSources": "camera"}},
        {"video": {"room": "hall", "roomJoin": True, "canPublishSources": ["spy"]}},
        {"video": {"room": "hall", "roomJoin": True, "canPublishSources": [{}]}},
        {"video": {"room": "hall", "roomJoin": True, "canPublishSources": ["camera"] * 9}},
        {"venue": "x"},
        {"venue": {"role": "king"}},
        {"venue": {"role": None}},
        {"venue": {"role": []}},
        {"venue": {"anyRoom": "true"}},
        {"venue": {"city": "x" * 65}},
        {"iss": ["yunhai"]},
        {"aud": {}},
    ],
    ids=repr,
)
def test_claim_out_of_bounds_is_refused(settings: Settings, changes: dict[str, Any]) -> None:
    refusal(settings, signed(claims(**changes)))


@pytest.mark.parametrize("payload", [None, [], "x", 5, {}, [[[]]]], ids=repr)
def test_payload_that_is_no_claims_is_refused(settings: Settings, payload: object) -> None:
    refusal(settings, signed(payload))


@pytest.mark.parametrize(
    "token",
    ["", " ", ".", "..", "...", "a.b.c", "a" * 5000, "eyJ.eyJ.", "\x00", "云", "[" * 4000],
    ids=lambda token: token[:8],
)
def test_malformed_token_is_told_as_such(settings: Settings, token: str) -> None:
    assert "not a token" in refusal(settings, token)


def test_deeply_nested_payload_is_refused(settings: Settings) -> None:
    body = base64.urlsafe_b64encode(b"[" * 2000).rstrip(b"=").decode()
    text = f"eyJhbGciOiJIUzI1NiJ9.{body}"
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    refusal(settings, f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


@given(data=st.data())
def test_no_changed_character_goes_unnoticed(settings: Settings, data: st.DataObject) -> None:
    token = signed(claims())
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=0x2FF))
    changed = token[:at] + other + token[at + 1 :]
    # The last character of a part holds bits that decode to nothing: then it is the same token.
    assert outcome(settings, changed) in (Code.BAD_TOKEN, outcome(settings, token))


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])  # a busy machine
@given(
    payload=st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "name", "nbf", "exp", "jti", "video", "venue"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=9), inner, max_size=4)
            ),
            max_leaves=8,
        ),
    )
)
def test_any_signed_claims_are_a_grant_or_a_refusal(
    settings: Settings, payload: dict[str, Any]
) -> None:
    found = outcome(settings, signed({**claims(), **payload}))
    assert isinstance(found, Grant) or found is Code.BAD_TOKEN


@pytest.mark.parametrize(
    "arguments",
    [
        {"room": "No Room"},
        {"room": None},
        {"identity": "a b"},
        {"name": "x" * 65},
        {"ttl_s": 0},
        {"ttl_s": MAX_LIFETIME_S + 1},
    ],
    ids=repr,
)
def test_nothing_is_signed_that_would_be_refused(
    settings: Settings, arguments: dict[str, Any]
) -> None:
    good: dict[str, Any] = {"identity": "a", "name": "A", "role": Role.MEMBER, "room": "hall"}
    with pytest.raises(ValueError, match=r"\w"):
        mint(settings, **{**good, **arguments})


def test_secret_of_another_node_does_not_open(settings: Settings, tmp_path: Path) -> None:
    other = make_settings(tmp_path, secret="z" * 48)
    token = mint(other, identity="a", name="A", role=Role.MEMBER, room="hall", now_ms=NOW_MS)
    assert "not signed by this convention" in refusal(settings, token)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token abc"])
def test_missing_bearer_token_says_how_to_send_one(header: str | None) -> None:
    with pytest.raises(RoomError, match="Authorization: Bearer"):
        bearer(header)


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_bearer_token_is_found(header: str) -> None:
    assert bearer(header) == "abc"
