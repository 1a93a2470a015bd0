"""ICE-lite (RFC 8445 §2.5) for one peer: answers authenticated checks, nothing else.

A check establishes or moves the peer's address and renews consent (RFC 7675).
Never sends a check, never answers a stranger, learns nothing from media.
"""

from __future__ import annotations

from collections.abc import Callable

from media.parameters import IceCredentials
from media.udp import MediaPort, Path

CONSENT_S = 30.0


class IceLite:
    """The agent of one peer on the shared port."""

    local: IceCredentials
    path: Path | None

    def __init__(
        self,
        port: MediaPort,
        *,
        handler: Callable[..., None],
        on_path: Callable[[Path], None],
        on_failed: Callable[[str], None],
    ) -> None:
        raise NotImplementedError

    def restart(self) -> IceCredentials:
        """New local credentials; the old ones serve until the new ones are checked."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
