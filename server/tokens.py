"""Entry tokens: JWTs with LiveKit's grant names, signed and checked with this convention's secret.

HS256 only, whatever a token's header says. Every refusal is a RoomError
BAD_TOKEN that tells its cause and what to do. Nothing is stored here: removing
a person is the room's business (rooms.actions).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from rooms.errors import Code, RoomError
from rooms.ids import Identity, RoomId, is_identity, is_room_id
from rooms.live import Role, Source
from server.config import Settings

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "yunhai"
LEEWAY_S = 60
"""Clocks of issuer and server may differ by this much."""
MAX_TOKEN_CHARS = 4_096
MAX_NAME_CHARS = 64
MAX_LIFETIME_S = 90 * 86_400
"""A longer-lived token is refused: tokens name a visit, not an account."""

_SOURCES = {
    "microphone": Source.MICROPHONE,
    "camera": Source.CAMERA,
    "screen_share": Source.SCREEN,
    "screen_share_audio": Source.SCREEN_AUDIO,
}
"""LiveKit's names; ours are accepted as well."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a verified token says. It limits; the permission table decides within it.

    Attributes:
        room: the one room it opens, or None.
        any_room: opens every room (operators).
        may_publish: False only where the token says so: whom a moderator makes more
            than the viewer they came as may publish then.
        sources: what may be published, or None for everything.
        expires_ms: connecting is refused after this (plus leeway).
        recordable: an encoder that comes with this token may be recorded: whoever it shows
            agreed elsewhere. Whoever is in the room under this identity can still say no.
        token_id: the token's ``jti``.
    """

    identity: Identity
    name: str
    role: Role
    room: RoomId | None
    any_room: bool
    may_create: bool
    may_list: bool
    may_publish: bool
    sources: frozenset[Source] | None
    may_subscribe: bool
    city: str
    synthetic: bool
    recordable: bool
    expires_ms: int
    token_id: str

    def opens(self, room: RoomId) -> bool:
        """Tell whether this token admits its bearer to ``room``."""
        return self.any_room or self.room == room


def mint(
    settings: Settings,
    *,
    identity: str,
    name: str,
    role: Role,
    room: str | None = None,
    any_room: bool = False,
    create: bool = False,
    list_rooms: bool = True,
    publish: bool = True,
    sources: frozenset[Source] | None = None,
    subscribe: bool = True,
    city: str = "",
    synthetic: bool = False,
    recordable: bool = False,
    ttl_s: int = 6 * 3600,
    now_ms: int | None = None,
) -> str:
    """Sign a token.

    Raises:
        ValueError: an argument breaks a bound that ``verify`` would refuse.
    """
    now_s = _now_ms(now_ms) // 1000
    if not 0 < ttl_s <= MAX_LIFETIME_S:
        raise ValueError(f"a token lives from 1 second to {MAX_LIFETIME_S // 86_400} days")
    video: dict[str, Any] = {
        "roomJoin": True,
        "roomCreate": create,
        "roomList": list_rooms,
        "roomAdmin": role is Role.MODERATOR,
        "canPublish": publish,
        "canSubscribe": subscribe,
    }
    if room is not None:
        video["room"] = room
    if sources is not None:
        video["canPublishSources"] = [k for k, v in _SOURCES.items() if v in sources]
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": identity,
        "name": name,
        "nbf": now_s,
        "exp": now_s + ttl_s,
        "jti": secrets.token_urlsafe(16),
        "video": video,
        "venue": {
            "role": str(role),
            "anyRoom": any_room,
            "city": city,
            "synthetic": synthetic,
            "recordable": recordable,
        },
    }
    token = jwt.encode(claims, settings.secret, algorithm=ALGORITHM)
    try:
        verify(settings, token, now_ms=now_s * 1000)
    except RoomError as error:
        raise ValueError(error.message) from None
    return token


def verify(settings: Settings, token: str, *, now_ms: int | None = None) -> Grant:
    """Check a token's signature, bounds, times and grants.

    Raises:
        RoomError: BAD_TOKEN, with the cause.
    """
    claims = _signed_claims(settings, token)
    nbf, exp = _number(claims, "nbf"), _number(claims, "exp")
    now_s = _now_ms(now_ms) / 1000
    if exp + LEEWAY_S <= now_s:
        when = datetime.fromtimestamp(exp, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise _bad(f"This token expired on {when}. Ask for a new one.")
    if nbf - LEEWAY_S > now_s:
        when = datetime.fromtimestamp(nbf, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise _bad(f"This token is valid from {when} on. Come back then, or check the clock.")
    if exp - nbf > MAX_LIFETIME_S:
        raise _bad(
            f"This token lives longer than {MAX_LIFETIME_S // 86_400} days. Ask for a new one."
        )
    video, venue = _map(claims, "video"), _map(claims, "venue")
    room, any_room = _room(video), _flag(venue, "anyRoom", False)
    if not _flag(video, "roomJoin", False) or not (room or any_room):
        raise _bad("This token opens no room: it lacks the roomJoin grant or a room's name.")
    role = _role(video, venue)
    return Grant(
        identity=_identity(claims),
        name=_name(claims),
        role=role,
        room=room,
        any_room=any_room,
        may_create=_flag(video, "roomCreate", False),
        may_list=_flag(video, "roomList", False),
        may_publish=_flag(video, "canPublish", True),
        sources=_sources(video),
        may_subscribe=_flag(video, "canSubscribe", True),
        city=_short(venue, "city", 64),
        synthetic=_flag(venue, "synthetic", False),
        recordable=_flag(venue, "recordable", False),
        expires_ms=exp * 1000,
        token_id=_short(claims, "jti", 64),
    )


def bearer(header: str | None) -> str:
    """Take the token out of an ``Authorization: Bearer`` header.

    Raises:
        RoomError: BAD_TOKEN when there is none.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _bad("No token was sent. Send it as the header: Authorization: Bearer <token>.")
    return token.strip()


def _signed_claims(settings: Settings, token: str) -> dict[str, Any]:
    malformed = _bad("This is not a token: copy the whole link or token again.")
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARS:
        raise malformed
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # Times are checked by verify(), which is told the time.
            options={
                "require": ["iss", "aud", "sub", "exp", "nbf"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise _bad(
            "This token was not signed by this convention: it was issued by another, or its "
            "secret has changed. Ask for a new one."
        ) from None
    except jwt.InvalidAlgorithmError:
        raise _bad(f"This token is not signed with {ALGORITHM}. Ask for a new one.") from None
    except jwt.MissingRequiredClaimError as error:
        raise _bad(f"This token lacks its {error.claim!r}. Ask for a new one.") from None
    except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
        raise _bad("This token is meant for another service. Ask for one for this one.") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise malformed from None
    return claims


def _bad(message: str) -> RoomError:
    return RoomError(Code.BAD_TOKEN, message)


def _wrong(what: str) -> RoomError:
    return _bad(f"This token's {what} cannot be used. Ask for a new one.")


def _now_ms(now_ms: int | None) -> int:
    return time.time_ns() // 1_000_000 if now_ms is None else now_ms


def _number(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # 32 bits unsigned, to the year 2106: no overflow in dates, no absurd lifetimes.
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise _wrong(name)
    return int(value)


def _map(claims: dict[str, Any], name: str) -> dict[str, Any]:
    value = claims.get(name, {})
    if not isinstance(value, dict):
        raise _wrong(name)
    return value


def _flag(claims: dict[str, Any], name: str, default: bool) -> bool:
    value = claims.get(name, default)
    if not isinstance(value, bool):
        raise _wrong(name)
    return value


def _short(claims: dict[str, Any], name: str, limit: int) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        raise _wrong(name)
    return value


def _identity(claims: dict[str, Any]) -> Identity:
    value = _short(claims, "sub", 64)
    if not is_identity(value):
        raise _wrong("subject")
    return Identity(value)


def _name(claims: dict[str, Any]) -> str:
    name = _short(claims, "name", MAX_NAME_CHARS).strip()
    return name or _identity(claims)


def _room(video: dict[str, Any]) -> RoomId | None:
    value = _short(video, "room", 63)
    if not value:
        return None
    if not is_room_id(value):
        raise _wrong("room")
    return RoomId(value)


def _role(video: dict[str, Any], venue: dict[str, Any]) -> Role:
    """Our own claim if present; else what LiveKit's grants amount to."""
    if "role" in venue:
        try:
            return Role(venue["role"])
        except ValueError:
            raise _wrong("role") from None
    if _flag(video, "roomAdmin", False):
        return Role.MODERATOR
    return Role.MEMBER if _flag(video, "canPublish", True) else Role.VIEWER


def _sources(video: dict[str, Any]) -> frozenset[Source] | None:
    value = video.get("canPublishSources")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > 8:
        raise _wrong("canPublishSources")
    try:
        return frozenset(_SOURCES[s] if s in _SOURCES else Source(s) for s in value)
    except (ValueError, TypeError):
        raise _wrong("canPublishSources") from None
