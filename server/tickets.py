"""Download tickets: short-lived links to one file, because a browser's download sends no header.

A ticket names its bearer; what they may do is asked again when it is used.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt

from rooms.errors import Code, RoomError
from rooms.ids import Identity
from rooms.live import Role
from server.config import Settings
from server.tokens import ALGORITHM, ISSUER

AUDIENCE = "yunhai-download"
LIFETIME_S = 3_600


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Who asks: identity and the role their token gave them."""

    identity: Identity
    role: Role


def issue(settings: Settings, bearer: Bearer, path: str) -> str:
    """Sign a ticket for the file at ``path``."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": bearer.identity,
        "role": str(bearer.role),
        "path": path,
        "exp": int(time.time()) + LIFETIME_S,
    }
    return jwt.encode(claims, settings.secret, algorithm=ALGORITHM)


def check(settings: Settings, ticket: str, path: str) -> Bearer:
    """Read a ticket for ``path``.

    Raises:
        RoomError: BAD_TOKEN.
    """
    try:
        claims = jwt.decode(
            ticket[:4096],
            settings.secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["sub", "role", "path", "exp"]},
        )
        if claims["path"] != path:
            raise ValueError(path)
        return Bearer(identity=Identity(str(claims["sub"])), role=Role(claims["role"]))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise RoomError(
            Code.BAD_TOKEN, "This link has expired or is not for this file. List them again."
        ) from None
