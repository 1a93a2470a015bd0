"""``application/trickle-ice-sdpfrag`` (RFC 8840 §9), the body of WHIP and WHEP PATCH requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media.parameters import IceCredentials
from media.sdp.model import SdpError
from media.sdp.parse import parse

MAX_CHARS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class IceFragment:
    """
    Attributes:
        ice: credentials it belongs to (the same as before: trickle; new ones: restart), if said.
        candidates: lines without ``a=``.
    """

    ice: IceCredentials | None
    candidates: tuple[str, ...] = ()
    end_of_candidates: bool = False


def parse_fragment(text: str) -> IceFragment:
    """Raises SdpError."""
    if len(text) > MAX_CHARS:
        raise SdpError(f"the fragment is longer than {MAX_CHARS} characters")
    if not text.strip():
        raise SdpError("the fragment is empty: send ICE credentials or candidates")
    pseudo = (
        "" if any(line.startswith("m=") for line in text.split("\n")) else "m=audio 9 RTP/AVP 0\n"
    )
    session = parse(f"v=0\n{pseudo}{text}")
    first = session.sections[0]
    return IceFragment(
        ice=first.ice,
        candidates=tuple(dict.fromkeys(c for s in session.sections for c in s.candidates)),
        end_of_candidates=any(s.end_of_candidates for s in session.sections),
    )


def build_fragment(ice: IceCredentials, candidates: Sequence[str], mid: str = "0") -> str:
    """A whole set of candidates, with the credentials they belong to."""
    lines = [
        f"a=ice-ufrag:{ice.ufrag}",
        f"a=ice-pwd:{ice.pwd}",
        "m=audio 9 RTP/AVP 0",
        f"a=mid:{mid}",
        *(f"a={candidate}" for candidate in candidates),
        "a=end-of-candidates",
    ]
    return "".join(f"{line}\r\n" for line in lines)
