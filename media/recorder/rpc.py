"""What a node and a recorder say to each other, in frames as ``media.framing`` makes them.

Down the recorder's standard input: ``Wish`` and ``Stop``. Up its standard output:
``Ready`` first, ``Report`` when something changed, ``Ended`` last. When standard input
ends the node is dead, and the recorder finishes by itself.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Reason = Literal["stopped", "disk_full", "recorder_failed", "node_lost"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A track and whose it is, as the manifest shall say.

    Attributes:
        source: microphone, camera, screen or screen_audio.
    """

    track: str
    identity: str
    name: str
    source: str


class Reel(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into one file, or one after the other: at most one sound and one picture.

    Attributes:
        name: begins the names of its files; lower case letters, digits and ``-``.
        sound: whether there may ever be sound, so that files have room for it.
    """

    name: str
    sound: bool = True
    audio: Source | None = None
    video: Source | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All that is to be written from now on; what is not in it ends."""

    reels: list[Reel]


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Finish the files and end."""


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """First of all: what the manifest says of the recording itself."""

    recording: str
    room: str
    scope: str
    by: str
    started_ms: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The socket listens."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A time without sound or picture, in milliseconds since the file's beginning."""

    kind: str
    from_ms: int
    to_ms: int


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """From when on in a file this track is what one hears or sees."""

    from_ms: int
    kind: str
    track: str
    source: str
    identity: str
    name: str


class File(msgspec.Struct, kw_only=True):
    """One file of a recording.

    Attributes:
        started_ms: when its first frame was taken, by the node's clock.
        lost: packets that never came.
    """

    name: str
    reel: str
    started_ms: int
    duration_ms: int = 0
    bytes: int = 0
    complete: bool = False
    video: str = ""
    frames: int = 0
    lost: int = 0
    segments: list[Segment] = msgspec.field(default_factory=list)
    gaps: list[Gap] = msgspec.field(default_factory=list)


class Manifest(msgspec.Struct, kw_only=True):
    """``manifest.json`` in the recording's folder.

    Attributes:
        ended_ms: None while it runs.
        reason: why it ended, "" while it runs.
        dropped: packets that workers dropped because the disk was slower than they.
    """

    recording: str
    room: str
    scope: str
    by: str
    started_ms: int
    ended_ms: int | None = None
    reason: str = ""
    dropped: int = 0
    files: list[File] = msgspec.field(default_factory=list)


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How things stand."""

    manifest: Manifest


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It is over; nothing follows."""

    reason: Reason
    manifest: Manifest


Downward = Begin | Wish | Stop
Upward = Ready | Report | Ended

MAX_MESSAGE_BYTES = 1 << 20
