"""One file being written: a picture, a sound, or both, muxed as they are.

WebM, or Matroska where the picture is H.264. Whatever stops this process, the file
plays up to its last finished cluster.
"""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

CLUSTER_MS = 800
"""With the reel's wait for its other track, a crash costs at most a second."""
MILLISECOND = Fraction(1, 1000)
_CODECS = {"vp8": "vp8", "vp9": "vp9", "av1": "av1", "h264": "h264"}
# FFmpeg's own decoder of AV1 works on hardware only.
_DECODERS = {**_CODECS, "av1": "libdav1d"}
_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})

av.logging.set_level(av.logging.PANIC)  # what matters is raised


class DiskFullError(Exception):
    """There is no room for more."""


class WriteError(Exception):
    """It cannot be written for another reason."""


class Part:
    """Owner: its reel. Ends with ``close``, after which nothing is written.

    Args:
        picture: codec by SDP name, "" for none; ``size`` its width and height.

    Raises:
        DiskFullError, WriteError: from every method.
    """

    def __init__(self, path: Path, *, picture: str, size: tuple[int, int], sound: bool) -> None:
        self.path = path
        self.picture = picture
        self.sound = sound
        self._last_ms: dict[str, int] = {}
        try:
            self._container: Any = av.open(
                str(path),
                "w",
                format="matroska" if picture.lower() == "h264" else "webm",
                container_options={
                    "cluster_time_limit": str(CLUSTER_MS),
                    "flush_packets": "1",
                    # The reel has put frames in order: nothing need wait for its neighbour.
                    "max_interleave_delta": "1",
                },
            )
            self._streams: dict[str, Any] = {}
            if picture:
                self._streams["video"] = self._container.add_mux_stream(
                    _CODECS[picture.lower()], width=size[0], height=size[1]
                )
            if sound:
                # An encoder that encodes nothing: it writes the stream's head (RFC 7845 §5.1).
                self._streams["audio"] = self._container.add_stream(
                    "libopus", rate=48_000, layout="stereo"
                )
        except (OSError, av.FFmpegError) as error:
            raise _failure(error) from error

    def write(self, kind: str, at_ms: int, data: bytes, *, keyframe: bool) -> None:
        """Write a frame; one that is not later than its predecessor is moved behind it."""
        at_ms = max(at_ms, self._last_ms.get(kind, -1) + 1)
        self._last_ms[kind] = at_ms
        packet = av.Packet(data)
        packet.stream = self._streams[kind]
        packet.time_base = MILLISECOND
        packet.pts = packet.dts = at_ms
        packet.is_keyframe = keyframe
        try:
            self._container.mux_one(packet)
        except (OSError, av.FFmpegError) as error:
            raise _failure(error) from error

    def close(self) -> bool:
        """Finish the file; False when only what was written so far is there."""
        try:
            self._container.close()
        except (OSError, av.FFmpegError):
            return False
        return True

    @property
    def bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def picture_size(codec: str, keyframe: bytes) -> tuple[int, int] | None:
    """Measure a picture by decoding its keyframe; None if that fails: then it is none."""
    context: Any = av.CodecContext.create(_DECODERS[codec.lower()], "r")
    try:
        pictures = [*context.decode(av.Packet(keyframe)), *context.decode(None)]
    except av.FFmpegError:
        return None
    return (pictures[0].width, pictures[0].height) if pictures else None


def known_picture(codec: str) -> bool:
    return codec.lower() in _CODECS


def _failure(error: BaseException) -> Exception:
    if getattr(error, "errno", None) in _FULL:
        return DiskFullError(str(error))
    return WriteError(str(error))
