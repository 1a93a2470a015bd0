"""Trickle-ICE SDP fragments (RFC 8840), as WHIP and WHEP PATCH carries them. Pure.

We are ICE-lite: the client's candidates are of no use to us, so of a fragment
only its credentials matter, which tell an ICE restart from a trickle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from media.rpc import IceCredentials

CONTENT_TYPE = "application/trickle-ice-sdpfrag"
MAX_FRAGMENT_BYTES = 16_384

_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")  # RFC 8839 §5.4
_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")


class FragmentError(Exception):
    """Not a fragment; the message says why."""


@dataclass(frozen=True)
class Fragment:
    """The client's ICE credentials; both "" when the fragment names none."""

    ufrag: str
    pwd: str


def parse(text: str) -> Fragment:
    """Read a fragment.

    Raises:
        FragmentError: it is not one.
    """
    ufrag = pwd = ""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines:
        raise FragmentError("The fragment is empty.")
    for line in lines:
        if not _LINE.fullmatch(line):
            raise FragmentError(f"This line is not SDP: {line[:60]!r}.")
        if line.startswith("a=ice-ufrag:"):
            ufrag = ufrag or line[12:]
        elif line.startswith("a=ice-pwd:"):
            pwd = pwd or line[10:]
    if bool(ufrag) != bool(pwd):
        raise FragmentError("a=ice-ufrag and a=ice-pwd must come together.")
    if ufrag and not (_UFRAG.fullmatch(ufrag) and _PWD.fullmatch(pwd)):
        raise FragmentError("a=ice-ufrag or a=ice-pwd is misspelt (RFC 8839, section 5.4).")
    return Fragment(ufrag, pwd)


def credentials_of(sdp: str) -> Fragment:
    """Take the first credentials out of an offer that the worker has accepted."""
    ufrag = re.search(r"^a=ice-ufrag:(\S+)", sdp, re.MULTILINE)
    pwd = re.search(r"^a=ice-pwd:(\S+)", sdp, re.MULTILINE)
    return Fragment(ufrag[1] if ufrag else "", pwd[1] if pwd else "")


def build(ours: IceCredentials, answer_sdp: str) -> str:
    """Write our side of an ICE restart: new credentials under the session's first m-line."""
    media = re.search(r"^m=(\w+) \d+ (\S+) (\d+)", answer_sdp, re.MULTILINE)
    mid = re.search(r"^a=mid:(\S+)", answer_sdp, re.MULTILINE)
    kind, profile, payload = media.groups() if media else ("audio", "UDP/TLS/RTP/SAVPF", "0")
    lines = [
        "a=ice-lite",
        "a=ice-options:ice2",
        f"m={kind} 9 {profile} {payload}",
        f"a=mid:{mid[1] if mid else 0}",
        f"a=ice-ufrag:{ours.ufrag}",
        f"a=ice-pwd:{ours.pwd}",
        *(f"a={candidate}" for candidate in ours.candidates),
        "a=end-of-candidates",
        "",
    ]
    return "\r\n".join(lines)
