"""Which STUN and TURN servers a client may use, with credentials that last minutes.

TURN credentials follow the REST scheme coturn calls ``use-auth-secret``: the
name holds the expiry, the password signs the name; nothing is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from rooms.ids import Identity
from server.config import Settings

TTL_S = 600
"""Time enough to connect; what is connected goes on, as coturn checks the expiry only of new
allocations. Clients ask again before they connect anew."""


@dataclass(frozen=True, kw_only=True)
class IceServer:
    """``username`` and ``credential`` are None for STUN."""

    url: str
    username: str | None
    credential: str | None

    def link(self) -> str:
        """Write the value of a ``Link`` header (RFC 9725 §4.6)."""
        text = f'<{self.url}>; rel="ice-server"'
        if self.username is not None:
            text += f'; username="{self.username}"; credential="{self.credential}"'
            text += '; credential-type="password"'
        return text


def ice_servers(settings: Settings, identity: Identity, *, now_s: int) -> list[IceServer]:
    """List the configured servers, with fresh credentials for ``identity``."""
    username = f"{now_s + TTL_S}:{identity}"
    credential = None
    if settings.turn_secret is not None:
        # SHA-1 is the scheme's, inside HMAC.
        digest = hmac.new(settings.turn_secret.encode(), username.encode(), hashlib.sha1).digest()
        credential = base64.b64encode(digest).decode()
    return [
        IceServer(
            url=url,
            username=None if credential is None or url.startswith("stun:") else username,
            credential=None if url.startswith("stun:") else credential,
        )
        for url in settings.turn_urls
    ]
