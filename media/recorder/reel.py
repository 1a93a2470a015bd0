"""A reel: one sound and one picture side by side, whoever they are of, in as few files as they allow.

A file's streams cannot change once it is open: a picture that comes to a file without
one, or of another codec, begins the next file. Everything else goes on in the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path

from media.recorder.assembler import Frame
from media.recorder.part import Part, known_picture, picture_size
from media.recorder.rpc import File, Gap, Reel, Segment, Source

HOLD_S = 0.2
"""A frame waits so long for earlier ones of the other kind."""
OPEN_WAIT_S = 1.0
"""A file waits so long for the first picture before it is opened without."""
GAP_S = 1.0
MAX_NOTES = 1_000
"""Gaps or segments noted in one file."""

_Waiting = tuple[float, int, str, str, Frame]
"""Time, order, kind, codec, frame."""


class ReelWriter:
    """Owner: the recorder. Ends with ``close``.

    Args:
        earlier: how many files of this name there are already.
        wall_ms: turns monotonic seconds into Unix milliseconds.
        opened: called with the entry of each file when it begins.
        ask: wants a keyframe of a track.

    Raises:
        DiskFullError, WriteError: from ``take``, ``poll`` and ``close``.
    """

    def __init__(
        self,
        folder: Path,
        reel: Reel,
        *,
        earlier: int,
        wall_ms: Callable[[float], int],
        opened: Callable[[File], None],
        ask: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._name = reel.name
        self._sound = reel.sound
        self._wall_ms = wall_ms
        self._opened = opened
        self._ask = ask
        self._sources: dict[str, Source | None] = {"audio": reel.audio, "video": reel.video}
        self._heap: list[_Waiting] = []
        self._count = 0
        self._latest: dict[str, float] = {}
        self._waiting_since: float | None = None
        self._parts = earlier
        self._part: Part | None = None
        self._file: File | None = None
        self._began = 0.0
        self._written: dict[str, float] = {}
        self._shown: dict[str, str] = {}

    @property
    def tracks(self) -> list[str]:
        return [source.track for source in self._sources.values() if source is not None]

    def set(self, reel: Reel) -> None:
        """Take these tracks from now on; frames of others are not taken any more."""
        self._sources = {"audio": reel.audio, "video": reel.video}
        for kind, source in self._sources.items():
            if source is None:
                self._latest.pop(kind, None)

    def take(self, track: str, kind: str, codec: str, at: float, frame: Frame, now: float) -> None:
        """Take a frame of a track, if it is one of this reel's."""
        source = self._sources.get(kind)
        if source is None or source.track != track:
            return
        if kind == "video" and not known_picture(codec):
            return
        self._latest[kind] = at
        heapq.heappush(self._heap, (at, self._count, kind, codec, frame))
        self._count += 1
        if self._waiting_since is None:
            self._waiting_since = now
        self.poll(now)

    def poll(self, now: float) -> None:
        """Write what need not wait any longer."""
        if self._part is None and not self._open(now):
            return
        wanted = [kind for kind, source in self._sources.items() if source is not None]
        # What both kinds have gone past is in order; the other frames wait a little.
        past = min((self._latest.get(kind, 0.0) for kind in wanted), default=now)
        while self._heap and (self._heap[0][0] <= past or now - self._heap[0][0] > HOLD_S):
            self._write(heapq.heappop(self._heap))

    def lost(self, count: int) -> None:
        if self._file is not None:
            self._file.lost += count

    def measure(self) -> None:
        """Bring the entry of the open file up to date."""
        if self._part is not None and self._file is not None:
            self._file.bytes = self._part.bytes

    def close(self) -> None:
        """Write what waits and finish the file."""
        try:
            if self._part is None and self._heap:
                self._open(float("inf"))
            while self._part is not None and self._heap:
                self._write(heapq.heappop(self._heap))
        finally:
            self._end_part()

    def _open(self, now: float) -> bool:
        """Begin a file once it is known what goes into it."""
        if not self._heap or self._waiting_since is None:
            return False
        keyframe = next((w for w in sorted(self._heap) if w[2] == "video" and w[4].keyframe), None)
        if keyframe is None:
            patience = OPEN_WAIT_S if self._sources["video"] is not None else HOLD_S
            if now - self._waiting_since < patience:
                return False
            self._heap = [waiting for waiting in self._heap if waiting[2] == "audio"]
            heapq.heapify(self._heap)
            if not self._heap:
                return False
            self._begin_part("", (0, 0), self._heap[0][0])
            return True
        size = picture_size(keyframe[3], keyframe[4].data)
        if size is None:
            self._heap.remove(keyframe)
            heapq.heapify(self._heap)
            self._refuse()
            return False
        # Nothing of the picture before its keyframe can be shown.
        self._heap = [w for w in self._heap if w[2] == "audio" or w >= keyframe]
        heapq.heapify(self._heap)
        self._begin_part(keyframe[3], size, self._heap[0][0])
        return True

    def _begin_part(self, picture: str, size: tuple[int, int], began: float) -> None:
        self._parts += 1
        ending = "mkv" if picture.lower() == "h264" else "webm"
        name = f"{self._name}-{self._parts:03}.{ending}"
        sound = self._sound or not picture
        self._part = Part(self._folder / name, picture=picture, size=size, sound=sound)
        self._began = began
        self._written.clear()
        self._shown.clear()
        self._file = File(
            name=name, reel=self._name, started_ms=self._wall_ms(began), video=picture
        )
        self._opened(self._file)

    def _write(self, waiting: _Waiting) -> None:
        at, _, kind, codec, frame = waiting
        part, file = self._part, self._file
        assert part is not None
        assert file is not None
        if kind == "video" and part.picture != codec:
            if not frame.keyframe:
                self._refuse()
                return
            size = picture_size(codec, frame.data)
            if size is None:
                self._refuse()
                return
            self._end_part()
            self._begin_part(codec, size, at)
            part, file = self._part, self._file
            assert part is not None
            assert file is not None
        if kind == "audio" and not part.sound:
            return
        at_ms = max(0, round((at - self._began) * 1000))
        self._note(file, kind, at, at_ms)
        part.write(kind, at_ms, frame.data, keyframe=frame.keyframe)
        file.duration_ms = max(file.duration_ms, at_ms)
        if kind == "video":
            file.frames += 1

    def _note(self, file: File, kind: str, at: float, at_ms: int) -> None:
        before = self._written.get(kind, self._began)
        self._written[kind] = max(at, before)
        if at - before > GAP_S and len(file.gaps) < MAX_NOTES:
            from_ms = round((before - self._began) * 1000)
            file.gaps.append(Gap(kind=kind, from_ms=from_ms, to_ms=at_ms))
        source = self._sources[kind]
        if source is not None and self._shown.get(kind) != source.track:
            self._shown[kind] = source.track
            if len(file.segments) < MAX_NOTES:
                file.segments.append(
                    Segment(
                        from_ms=at_ms,
                        kind=kind,
                        track=source.track,
                        source=source.source,
                        identity=source.identity,
                        name=source.name,
                    )
                )

    def _refuse(self) -> None:
        source = self._sources["video"]
        if source is not None:
            self._ask(source.track)

    def _end_part(self) -> None:
        part, file = self._part, self._file
        self._part = self._file = None
        self._waiting_since = None
        if part is not None and file is not None:
            file.complete = part.close()
            file.bytes = part.bytes
