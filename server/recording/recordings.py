"""The recordings this node writes, and the others it keeps an eye on.

Fulfils ``rooms.ports.Recorder``. A recording runs on the node where it was started;
it ends when the room's present no longer says that it runs, or by itself, of which
the room is told. When its node is lost, the other nodes of the room tell.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog

from media import rpc
from media.framing import RpcError
from media.recorder.rpc import Begin, Manifest, Reel
from rooms.errors import Code, RoomError
from rooms.events import Event, RecordingFailed, RecordingStopped
from rooms.ids import Identity, RecordingId, RoomId
from rooms.live import Live, Recording, RecordingScope
from server.config import Settings
from server.realtime.mirror import RoomMirror
from server.realtime.scope import Scope
from server.realtime.service import Realtime
from server.recording import wishes
from server.recording.disposal import Disposal
from server.recording.process import RESERVE_BYTES, RecorderProcess
from server.signalling.media_link import NO_RUN
from server.signalling.reconcile import Steps
from server.signalling.relays import Relays
from server.signalling.workers import Workers
from server.sockets import socket_folder
from server.store import Store

TICK_S = 1.0
LOST_TICKS = 3
"""A recording whose node is not seen for so long has failed."""
HEARD_S = 5.0
"""Longest wait for the room's own word that a recording runs."""
EMPTY_TICKS = 60
"""A recording ends when nobody has been in the room for so long."""
MANIFEST = "manifest.json"

log = structlog.get_logger("recording")


class Recordings:
    """Owner: the application."""

    def __init__(
        self,
        settings: Settings,
        realtime: Realtime,
        store: Store,
        workers: Workers,
        relays: Relays,
    ) -> None:
        self.scope = Scope()
        self.realtime = realtime
        self.store = store
        self.workers = workers
        self.relays = relays
        self._root = settings.data_dir.absolute() / "recordings"
        self._sockets = socket_folder(settings.data_dir)
        self._prepared: dict[RecordingId, RecorderProcess] = {}
        self._running: dict[RecordingId, _Running] = {}
        self._unseen: dict[RecordingId, int] = {}
        self.disposal = Disposal(
            realtime.nodes, store, self.scope, days=settings.recording_days, folder=self.folder
        )

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        settings: Settings,
        realtime: Realtime,
        store: Store,
        workers: Workers,
        relays: Relays,
    ) -> AsyncIterator[Recordings]:
        """Keep recordings for the length of the block; those that run then end with it."""
        recordings = cls(settings, realtime, store, workers, relays)
        await recordings._adopt()
        recordings.scope.keep(recordings._tick)
        try:
            yield recordings
        finally:
            for running in list(recordings._running.values()):
                await running.fail("node_lost")
            for process in recordings._prepared.values():
                await process.kill()
            await recordings.scope.close()

    def __len__(self) -> int:
        return len(self._running)

    def folder(self, room: RoomId, recording: RecordingId) -> Path:
        """Say where a recording's files are; all names in it are ours."""
        return self._root / room / recording

    # Beginnings.

    async def prepare(
        self, room: RoomId, scope: RecordingScope, by: Identity, at_ms: int
    ) -> Recording:
        """Start a recorder that has nothing to write yet.

        Raises:
            RoomError: UNAVAILABLE.
        """
        recording = Recording(
            id=RecordingId(f"r_{at_ms:012x}{secrets.token_hex(8)}"),
            scope=scope,
            by=by,
            started_ms=at_ms,
            node=self.realtime.nodes.me.id,
        )
        folder = self.folder(room, recording.id)
        try:
            await asyncio.to_thread(_make_room, folder)
            begin = Begin(
                recording=recording.id, room=room, scope=str(scope), by=by, started_ms=at_ms
            )
            socket = self._sockets / f"rec-{recording.id[-12:]}.sock"
            process = await RecorderProcess.start(
                folder, socket, begin, reserve_bytes=RESERVE_BYTES
            )
        except OSError as error:
            raise RoomError(
                Code.UNAVAILABLE, f"The recording cannot be written: {error.strerror or error}."
            ) from error
        self._prepared[recording.id] = process
        try:
            await self.store.recordings.add(room, recording)
        except BaseException:
            await self.discard(room, recording)
            raise
        return recording

    async def begin(self, room: RoomId, recording: Recording) -> None:
        """Write what the room shows of those who agree."""
        process = self._prepared[recording.id]
        try:
            mirror = await self._heard(room)
            self._running[recording.id] = running = _Running(self, mirror, recording, process)
        except BaseException:
            await process.kill()
            raise
        finally:
            del self._prepared[recording.id]
        log.info("recording", room=room, recording=recording.id, scope=str(recording.scope))
        running.wake()

    async def _heard(self, room: RoomId) -> RoomMirror:
        """Give the room's mirror once it shows what Redis does: that the recording runs."""
        mirrors = self.realtime.mirrors
        mirror = await mirrors.acquire(room)
        try:
            state = await self.realtime.live.fetch(room)
            await mirror.reached(state.epoch, state.seq, HEARD_S)
        except BaseException:
            mirrors.release(room)
            raise
        return mirror

    async def discard(self, room: RoomId, recording: Recording) -> None:
        """Leave no trace of what never began."""
        process = self._prepared.pop(recording.id, None)
        if process is not None:
            await process.kill()
        await asyncio.to_thread(shutil.rmtree, self.folder(room, recording.id), True)
        await self.store.recordings.remove(recording.id)

    def forget(self, recording: Recording) -> None:
        """It is over (called by the recording alone)."""
        self._running.pop(recording.id, None)

    # Ends that nobody announced.

    async def _adopt(self) -> None:
        """Close the books of recordings that an earlier process of this node left behind."""
        for stored in await self.store.recordings.unfinished(self.realtime.nodes.me.id):
            folder = self.folder(stored.room, stored.recording.id)
            files, ended_ms = await asyncio.to_thread(_read_manifest, folder)
            await self.store.recordings.finish(
                stored.recording.id,
                ended_ms=ended_ms or stored.recording.started_ms,
                reason="node_lost",
                files=files,
            )
            log.warning("recording_adopted", recording=stored.recording.id, files=len(files))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for running in list(self._running.values()):
                await running.tick()
            await self._look_for_lost()

    async def _look_for_lost(self) -> None:
        """Tell rooms whose recording nobody writes any more."""
        alive = {node.id for node in self.realtime.nodes.alive()}
        seen: dict[RecordingId, int] = {}
        for mirror in self.realtime.mirrors:
            recording = mirror.live.recording
            if recording is None or recording.id in self._running:
                continue
            here = recording.node == self.realtime.nodes.me.id
            if recording.id in self._prepared or (not here and recording.node in alive):
                continue
            seen[recording.id] = self._unseen.get(recording.id, 0) + 1
            if seen[recording.id] >= LOST_TICKS:
                await self.announce_failure(mirror.room, recording, "node_lost")
        self._unseen = seen

    async def end_empty(self, room: RoomId, recording: Recording) -> None:
        """End a recording of an empty room, as whoever started it would."""

        def rule(live: Live) -> Event | None:
            if live.participants or live.recording != recording:
                return None
            return RecordingStopped(id=recording.id, by=recording.by)

        try:
            await self.realtime.live.update(room, rule)
        except RoomError as error:
            log.info("recording_of_empty_room", recording=recording.id, error=error.message)

    async def announce_failure(self, room: RoomId, recording: Recording, reason: str) -> bool:
        """Tell the room that a recording ended by itself; False when it cannot be told now."""

        def rule(live: Live) -> Event | None:
            if live.recording is None or live.recording.id != recording.id:
                return None
            return RecordingFailed(id=recording.id, reason=reason)

        try:
            await self.realtime.live.update(room, rule)
        except RoomError as error:
            log.info("recording_failure_untold", recording=recording.id, error=error.message)
            return False
        return True


class _Running:
    """One recording of this node. Owner: Recordings; ends once, with the room's word or its own."""

    def __init__(
        self,
        recordings: Recordings,
        mirror: RoomMirror,
        recording: Recording,
        process: RecorderProcess,
    ) -> None:
        self._recordings = recordings
        self._mirror = mirror
        self._recording = recording
        self._process = process
        self._numbers: dict[Identity, int] = {}
        self._applied: list[Reel] | None = None
        self._fed: list[str] | None = None
        self._run = NO_RUN
        self._over = False
        self._empty_ticks = 0
        self._key = f"recorder/{recording.id}"
        self._unwatch = mirror.watch(lambda _, __: self.wake())
        self._steps = Steps(recordings.scope, self._key, self._step)
        process.on_end(lambda: recordings.scope.spawn(self.fail(process.reason)))

    def wake(self) -> None:
        self._steps.wake()

    async def tick(self) -> None:
        """Look again; a room that stays empty is not recorded on until somebody comes."""
        self.wake()
        self._empty_ticks = 0 if self._mirror.live.participants else self._empty_ticks + 1
        if self._empty_ticks >= EMPTY_TICKS:
            await self._recordings.end_empty(self._mirror.room, self._recording)

    async def _step(self) -> None:
        if self._over:
            return
        live = self._mirror.live
        if live.recording is None or live.recording.id != self._recording.id:
            await self._finish("stopped")
            return
        seen = wishes.Seen(live, self._mirror.records)
        reels = wishes.reels(seen, self._recording.scope, self._numbers)
        if reels != self._applied:
            self._process.wish(reels)
            self._applied = reels
        tracks = wishes.tracks(reels)
        workers = self._recordings.workers
        link = workers.place(self._key, self._mirror.room)
        if tracks == self._fed and self._run == link.run:
            return
        workers.weigh(self._key, len(tracks))
        wants = [rpc.WantedTrack(track=track, group="", always=True) for track in tracks]
        self._recordings.relays.want(self._key, link.index, self._mirror.room, wants)
        run = link.run
        await link.recording_feed(
            rpc.RecordingFeed(
                recording=self._recording.id, socket=str(self._process.socket), tracks=tracks
            )
        )
        self._fed, self._run = tracks, run

    async def fail(self, reason: str) -> None:
        """It ended by itself: tell the room, keep the books."""
        if self._over:
            return
        room, recording = self._mirror.room, self._recording
        await self._finish(reason)
        if not await self._recordings.announce_failure(room, recording, reason):
            self._recordings.scope.spawn(self._announce_later(reason))

    async def _announce_later(self, reason: str) -> None:
        told = False
        while not told:
            await asyncio.sleep(TICK_S)
            told = await self._recordings.announce_failure(
                self._mirror.room, self._recording, reason
            )

    async def _finish(self, reason: str) -> None:
        self._over = True
        self._unwatch()
        owner = self._recordings
        link = owner.workers.place(self._key, self._mirror.room)
        owner.relays.want(self._key, link.index, self._mirror.room, [])
        owner.workers.leave(self._key)
        try:
            await link.recording_feed(
                rpc.RecordingFeed(recording=self._recording.id, socket="", tracks=[])
            )
        except RpcError as error:
            log.info("a feed was not ended", recording=self._recording.id, cause=str(error))
        await self._process.finish()
        manifest = self._process.manifest
        log.info(
            "recorded",
            recording=self._recording.id,
            reason=reason,
            files=len(manifest.files),
            dropped=manifest.dropped,
        )
        try:
            await owner.store.recordings.finish(
                self._recording.id,
                ended_ms=manifest.ended_ms or time.time_ns() // 1_000_000,
                reason=reason,
                files=_rows(manifest),
            )
        except RoomError as error:
            # Its row stays unfinished; the next start of this node adopts it.
            log.error("recording_not_noted", recording=self._recording.id, error=error.message)
        owner.forget(self._recording)
        owner.realtime.mirrors.release(self._mirror.room)


def _rows(manifest: Manifest) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = msgspec.to_builtins(manifest.files)
    return rows


def _make_room(folder: Path) -> None:
    """Make a recording's folder, if the disk has room for more.

    Raises:
        OSError: it has not, or the folder cannot be made.
    """
    folder.mkdir(parents=True, mode=0o700)
    free = shutil.disk_usage(folder).free
    if free < RESERVE_BYTES:
        folder.rmdir()
        raise OSError(f"only {free >> 20} MB are free on the disk")


def _read_manifest(folder: Path) -> tuple[list[dict[str, Any]], int | None]:
    """Read what a recorder wrote of a recording, with the files' sizes as they are."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return [], None
    for file in manifest.files:
        path = folder / file.name
        file.bytes = path.stat().st_size if path.exists() else 0
    newest = max((path.stat().st_mtime for path in folder.iterdir()), default=0.0)
    return _rows(manifest), manifest.ended_ms or round(newest * 1000)
