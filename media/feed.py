"""The worker's end of a recording: copies of chosen tracks' packets, down a Unix socket.

Never waits and never writes a disk: what the recorder cannot take at once is kept up
to a bound, then dropped and counted. Of simulcast the best layer that is sent is
recorded; another one takes over at its keyframe.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from media.core.extensions import ExtensionIds, Wire
from media.core.packet import Packet
from media.core.rtcp import SenderReport
from media.core.source import Source
from media.layer import ALIVE_S, Layer
from media.recorder import wire
from media.switchboard import Switchboard
from media.track import PublishedTrack

MAX_BUFFER_BYTES = 8 << 20
"""Some ten seconds of a well-filled room; a disk that stalls for longer costs packets."""

_log = logging.getLogger(__name__)
_NO_IDS = ExtensionIds({})


class Feed:
    """What one recording gets from this worker.

    Owner: the worker. Ends with ``close``, or by itself when the recorder is gone.
    """

    def __init__(self, board: Switchboard, path: str) -> None:
        """Raises OSError: nobody listens at ``path``."""
        self.dropped = 0
        self._board = board
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._path = path
        self._open = True
        self._buffer = bytearray()
        self._told_dropped = 0
        self._sending = False
        self._splitter = wire.Splitter()
        self._wanted: set[str] = set()
        self._outputs: dict[str, _Output] = {}
        self._streams: dict[int, _Output] = {}
        self._last_stream = 0
        self._loop.add_reader(self._socket, self._read)

    def leads_to(self, path: str) -> bool:
        """Whether it still feeds the recorder that listens there."""
        return self._open and self._path == path

    def set(self, tracks: list[str]) -> None:
        """Feed exactly these tracks; those not here yet follow when they appear."""
        wanted = set(tracks)
        self._board.watch(self, wanted, self._wanted)
        self._wanted = wanted
        self._follow()

    def track_changed(self, track_id: str) -> None:
        self._follow()

    def _follow(self) -> None:
        now = self._loop.time()
        for track_id, output in list(self._outputs.items()):
            if track_id not in self._wanted or self._board.tracks.get(track_id) != output.track:
                output.close()
                del self._outputs[track_id]
        if not self._open:
            return
        for track_id in self._wanted - self._outputs.keys():
            track = self._board.tracks.get(track_id)
            if track is not None:
                self._outputs[track_id] = output = _Output(self, track)
                output.attend(now)

    def tick(self, now: float) -> None:
        """Look for better layers and missing keyframes; call it ten times a second."""
        for output in self._outputs.values():
            output.attend(now)

    # The socket.

    def announce(self, output: _Output, source: Source) -> int:
        """Give a source of a track a number."""
        self._last_stream += 1
        number = self._last_stream
        self._streams[number] = output
        info = output.track.info
        self._write(
            wire.pack(
                wire.Stream(
                    stream=number,
                    track=output.track.id,
                    kind=output.track.kind,
                    codec=info.codec,
                    clock_rate=info.clock_rate,
                    fmtp=info.fmtp,
                )
            )
        )
        self.clock(number, source)
        return number

    def clock(self, number: int, source: Source) -> None:
        """Tell what the last sender report said, if there was one."""
        if source.ntp is not None:
            self._write(
                wire.pack(
                    wire.Clock(
                        stream=number, ntp=source.ntp, ts=source.sr_ts, arrival=source.sr_arrival
                    )
                )
            )

    def forget(self, number: int) -> None:
        if self._streams.pop(number, None) is not None:
            self._write(wire.pack_number(wire.END, number))

    def packet(self, number: int, packet: Packet) -> None:
        """Send a packet's payload on, or drop it."""
        buffer = self._buffer
        if len(buffer) > MAX_BUFFER_BYTES:
            self.dropped += 1
            return
        payload, end = packet.payload, packet.end
        flags = wire.MARKER if packet.marker else 0
        if packet.keyframe:
            flags |= wire.FIRST_OF_KEYFRAME
        buffer += wire.PACKET_HEAD.pack(
            wire.PACKET_BODY_BYTES + end - payload,
            wire.PACKET,
            number,
            packet.seq,
            packet.ts,
            packet.arrival,
            flags,
        )
        buffer += packet.data[payload:end]
        if not self._sending:
            self._sending = True
            self._loop.call_soon(self._send)

    def _write(self, data: bytes) -> None:
        self._buffer += data
        if not self._sending:
            self._sending = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        """Send what is there, all at once; the rest when the socket has room."""
        if not self._open:
            return
        if self.dropped > self._told_dropped and len(self._buffer) < MAX_BUFFER_BYTES:
            count = min(self.dropped - self._told_dropped, 0xFFFFFFFF)
            self._told_dropped += count
            self._buffer += wire.pack_number(wire.DROPPED, count)
        try:
            sent = self._socket.send(self._buffer)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            _log.info("a recorder is gone: %s", error)
            self._end()
            return
        del self._buffer[:sent]
        if self._buffer:
            self._loop.add_writer(self._socket, self._send)
        else:
            self._loop.remove_writer(self._socket)
            self._sending = False

    def _read(self) -> None:
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        try:
            for message in self._splitter.feed(data):
                if isinstance(message, tuple) and message[0] == wire.KEYFRAME:
                    output = self._streams.get(message[1])
                    if output is not None:
                        output.keyframe_missing()
        except wire.WireError as error:
            _log.error("a recorder is not understood: %s", error)
            self._end()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._buffer.clear()
            self._follow_nothing()

    def _follow_nothing(self) -> None:
        for output in self._outputs.values():
            output.close()
        self._outputs.clear()
        self._streams.clear()

    def close(self) -> None:
        """Feed nothing more; what is buffered is sent as far as it goes at once."""
        self._board.watch(self, set(), self._wanted)
        self._wanted = set()
        self._follow_nothing()
        if self._open and self._buffer:
            self._send()
        self._end()

    def stats(self) -> dict[str, object]:
        return {
            "tracks": list(self._outputs),
            "buffered_bytes": len(self._buffer),
            "dropped": self.dropped,
            "open": self._open,
        }


class _Output:
    """One track on its way to the recorder. Owner: the feed."""

    def __init__(self, feed: Feed, track: PublishedTrack) -> None:
        self.ids = _NO_IDS
        self.redundant = False
        self.track = track
        self._feed = feed
        self._layer: Layer | None = None
        self._next: Layer | None = None
        self._source: Source | None = None
        self._number = 0
        self._needs_keyframe = track.codec.keyframes
        track.attach(self)

    def attend(self, now: float) -> None:
        """Choose the layer; ask for the keyframe that is missing."""
        best = self._best(now)
        if best is not None and best is not self._layer:
            if self._next is not best:
                self._unfollow_next()
                self._next = best
                best.add(self)
            best.request_keyframe(now)
        elif best is self._layer:
            self._unfollow_next()
        if self._layer is not None and self._needs_keyframe:
            self._layer.request_keyframe(now)

    def _best(self, now: float) -> Layer | None:
        """The highest layer that is being sent; the only one anyway."""
        layers = self.track.layers
        if len(layers) == 1:
            return layers[0]
        alive = [layer for layer in layers if now - layer.heard_at < ALIVE_S]
        return alive[-1] if alive else self._layer

    def forward(self, packet: Packet, wire: Wire, now: float) -> None:
        source = packet.source
        if source is None:
            return
        if source is not self._source:
            if not packet.keyframe:
                return
            self._switch(source, packet)
        elif packet.keyframe:
            self._needs_keyframe = False
        self._feed.packet(self._number, packet)

    def settle(self, source: Source, newest: int) -> None:
        """Stay: the recorder gets every packet with its own number."""

    def _switch(self, source: Source, packet: Packet) -> None:
        """A layer (or a new source of the same) begins with this keyframe."""
        layer = self.track.layer_of(source)
        if layer is not None and layer is not self._layer:
            if self._layer is not None:
                self._layer.remove(self)
            self._layer = layer
            self._next = None
        self._source = source
        self._needs_keyframe = False
        if self._number:
            self._feed.forget(self._number)
        self._number = self._feed.announce(self, source)
        if layer is not None:
            # What overtook the keyframe's first packet came already and will not come again.
            for seq in range(packet.seq + 1, source.highest + 1):
                overtaker = layer.history.get(seq)
                if overtaker is not None:
                    self._feed.packet(self._number, overtaker)

    def keyframe_missing(self) -> None:
        """The recorder cannot go on without one."""
        if self.track.codec.keyframes:
            self._needs_keyframe = True

    def broken(self, error: Exception) -> None:
        self.close()

    def sender_reported(self, layer: Layer, report: SenderReport) -> None:
        if layer.source is not None and layer.source is self._source:
            self._feed.clock(self._number, layer.source)

    def source_changed(self, layer: Layer) -> None:
        if layer is self._layer:
            self._needs_keyframe = self.track.codec.keyframes

    def hold_changed(self) -> None:
        # What was held back is no loss: whatever follows is another stream.
        self._source = None
        self._needs_keyframe = self.track.codec.keyframes

    def background_changed(self) -> None:
        """Nothing: a recording hears everybody."""

    def _unfollow_next(self) -> None:
        if self._next is not None and self._next is not self._layer:
            self._next.remove(self)
        self._next = None

    def close(self) -> None:
        self._unfollow_next()
        if self._layer is not None:
            self._layer.remove(self)
            self._layer = None
        self.track.detach(self)
        if self._number:
            self._feed.forget(self._number)
            self._number = 0
