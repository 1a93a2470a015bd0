"""One recording: streams from workers on one side, files and a manifest on the other.

Knows no socket and no node; its process (``__main__``) hands it what arrives, and
the time. Ends by itself when nothing can be written any more.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

import msgspec

from media.recorder import wire
from media.recorder.assembler import Assembler
from media.recorder.clock import PersonClock, StreamClock
from media.recorder.part import DiskFullError, WriteError
from media.recorder.reel import ReelWriter
from media.recorder.rpc import Begin, Ended, File, Manifest, Reason, Report, Upward, Wish

MANIFEST = "manifest.json"
BALLAST = ".ballast"
BALLAST_BYTES = 64 * 1024
"""Set free on a full disk, so that the manifest can still be written."""
ASK_S = 0.5
GUARD_S = 0.5

_log = logging.getLogger(__name__)


class _Input:
    """One stream of a track."""

    def __init__(self, stream: wire.Stream) -> None:
        self.track = stream.track
        self.kind = stream.kind
        self.codec = stream.codec
        self.assembler = Assembler(stream.codec, fmtp=stream.fmtp, picture=stream.kind == "video")
        self.clock = StreamClock(stream.clock_rate)
        self.asked_at = float("-inf")
        self.lost_told = 0


class Recorder:
    """Owner: the process. ``ended`` is set once, when nothing more will be written.

    Args:
        folder: the recording's own; it exists.
        reserve_bytes: the recording ends before less than this is free on the disk.
        wall_ms: turns monotonic seconds into Unix milliseconds.
        tell: speaks to the node.
        ask: asks a connection's worker for a keyframe of a stream.
    """

    def __init__(
        self,
        folder: Path,
        begin: Begin,
        *,
        reserve_bytes: int,
        wall_ms: Callable[[float], int],
        tell: Callable[[Upward], None],
        ask: Callable[[Hashable, int], None],
    ) -> None:
        self.ended = False
        self.manifest = Manifest(
            recording=begin.recording,
            room=begin.room,
            scope=begin.scope,
            by=begin.by,
            started_ms=begin.started_ms,
        )
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._wall_ms = wall_ms
        self._tell = tell
        self._ask_stream = ask
        self._reels: dict[str, ReelWriter] = {}
        self._inputs: dict[tuple[Hashable, int], _Input] = {}
        self._of_track: dict[str, tuple[Hashable, int]] = {}
        self._identities: dict[str, str] = {}
        self._people: dict[str, PersonClock] = {}
        self._guard_at = float("-inf")
        with contextlib.suppress(OSError):
            (folder / BALLAST).write_bytes(bytes(BALLAST_BYTES))
        self._save()

    # The node.

    def wish(self, wish: Wish, now: float) -> None:
        """Write exactly this from now on."""
        wanted = {reel.name: reel for reel in wish.reels}
        for reel in wish.reels:
            for source in (reel.audio, reel.video):
                if source is not None:
                    self._identities[source.track] = source.identity
        with self._writing(now):
            for name, writer in list(self._reels.items()):
                if name not in wanted:
                    del self._reels[name]
                    writer.close()
                    self._changed()
            for name, reel in wanted.items():
                if name in self._reels:
                    self._reels[name].set(reel)
                else:
                    self._reels[name] = ReelWriter(
                        self._folder,
                        reel,
                        earlier=sum(file.reel == name for file in self.manifest.files),
                        wall_ms=self._wall_ms,
                        opened=self._opened,
                        ask=lambda track: self._ask(track, now=None),
                    )

    def stop(self, reason: Reason, now: float) -> None:
        """Finish every file, then tell the node. A second time changes nothing."""
        if self.ended:
            return
        self.ended = True
        for key in list(self._inputs):
            with contextlib.suppress(DiskFullError, WriteError):
                self._deliver(key, now, last=True)
        for writer in self._reels.values():
            try:
                writer.close()
            except (DiskFullError, WriteError) as error:
                _log.warning("a file could not be finished: %s", error)
        self._reels.clear()
        self.manifest.ended_ms = self._wall_ms(now)
        self.manifest.reason = reason
        with contextlib.suppress(OSError):
            (self._folder / BALLAST).unlink()
        self._save()
        self._tell(Ended(reason=reason, manifest=self.manifest))

    # Workers.

    def take(self, connection: Hashable, message: wire.Message, now: float) -> None:
        """Take a message of a worker."""
        if self.ended:
            return
        with self._writing(now):
            match message:
                case wire.Taken():
                    entry = self._inputs.get((connection, message.stream))
                    if entry is not None:
                        entry.clock.arrived(message.ts, message.arrival)
                        entry.assembler.take(message)
                        self._deliver((connection, message.stream), now)
                case wire.Stream():
                    before = self._of_track.get(message.track)
                    if before is not None:
                        self._deliver(before, now, last=True)
                        self._inputs.pop(before, None)
                    key = (connection, message.stream)
                    self._inputs[key] = _Input(message)
                    self._of_track[message.track] = key
                case wire.Clock():
                    entry = self._inputs.get((connection, message.stream))
                    if entry is not None:
                        entry.clock.reported(message, self._person(entry.track))
                case (wire.END, stream):
                    self._drop((connection, stream), now)
                case (wire.DROPPED, count):
                    self.manifest.dropped += count

    def disconnected(self, connection: Hashable, now: float) -> None:
        """A worker is gone; what it sent is written."""
        with self._writing(now):
            for key in [key for key in self._inputs if key[0] == connection]:
                self._drop(key, now)

    def tick(self, now: float) -> None:
        """Look after waiting packets and frames and the disk; call it every 50 ms."""
        if self.ended:
            return
        with self._writing(now):
            for key in list(self._inputs):
                self._deliver(key, now)
            for writer in self._reels.values():
                writer.poll(now)
            if now >= self._guard_at:
                self._guard_at = now + GUARD_S
                self._guard()

    # Within.

    @contextlib.contextmanager
    def _writing(self, now: float) -> Iterator[None]:
        try:
            yield
        except DiskFullError as error:
            _log.warning("the disk is full: %s", error)
            self.stop("disk_full", now)
        except WriteError as error:
            _log.error("the recording cannot be written: %s", error)
            self.stop("recorder_failed", now)

    def _guard(self) -> None:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if free < self._reserve_bytes:
            raise DiskFullError(f"{free} bytes free, {self._reserve_bytes} must stay")

    def _drop(self, key: tuple[Hashable, int], now: float) -> None:
        if key not in self._inputs:
            return
        self._deliver(key, now, last=True)
        entry = self._inputs.pop(key)
        if self._of_track.get(entry.track) == key:
            del self._of_track[entry.track]

    def _deliver(self, key: tuple[Hashable, int], now: float, *, last: bool = False) -> None:
        entry = self._inputs.get(key)
        if entry is None:
            return
        assembler = entry.assembler
        writers = [w for w in self._reels.values() if entry.track in w.tracks]
        for frame in assembler.frames(now, last=last):
            at = entry.clock.time(frame.ts)
            for writer in writers:
                writer.take(entry.track, entry.kind, entry.codec, at, frame, now)
        if assembler.lost > entry.lost_told:
            for writer in writers:
                writer.lost(assembler.lost - entry.lost_told)
            entry.lost_told = assembler.lost
        if assembler.wants_keyframe and not last:
            self._ask(entry.track, now)

    def _ask(self, track: str, now: float | None) -> None:
        key = self._of_track.get(track)
        entry = self._inputs.get(key) if key is not None else None
        if key is None or entry is None:
            return
        if now is not None:
            if now - entry.asked_at < ASK_S:
                return
            entry.asked_at = now
        self._ask_stream(*key)

    def _person(self, track: str) -> PersonClock:
        return self._people.setdefault(self._identities.get(track, track), PersonClock())

    def _opened(self, file: File) -> None:
        self.manifest.files.append(file)
        self._changed()

    def _changed(self) -> None:
        for writer in self._reels.values():
            writer.measure()
        self._save()
        self._tell(Report(manifest=self.manifest))

    def _save(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self.manifest), indent=2)
        draft = self._folder / f".{MANIFEST}"
        try:
            draft.write_bytes(text)
            draft.replace(self._folder / MANIFEST)
        except OSError as error:
            _log.warning("the manifest could not be written: %s", error)
