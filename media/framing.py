"""Asyncio framing of ``media.rpc``: both ends of the stream between a node and its worker.

``RpcClient`` is the node's end: calls out, replies and notices in. ``RpcServer`` is
the worker's end: it answers requests one at a time, in the order they came, and
sends notices. What a request does is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol, overload

import msgspec

from media import rpc
from media.statistics import PeersStats, WorkerStats

LENGTH_BYTES = 4
MAX_BACKLOG_BYTES = 16 * rpc.MAX_FRAME_BYTES
"""Unread output after which the other side counts as dead."""

EmptyReply = (
    rpc.SubscriberAnswer
    | rpc.PlayerSet
    | rpc.PeerClose
    | rpc.TrackHold
    | rpc.RelayOpen
    | rpc.RelaySend
    | rpc.RelayReceive
    | rpc.RelayClose
    | rpc.RecordingFeed
    | rpc.Ping
)
Request = (
    rpc.PublisherOffer
    | rpc.SubscriberSet
    | rpc.SubscriberRestart
    | rpc.PlayerOffer
    | rpc.PeerRestart
    | rpc.Hello
    | rpc.Stats
    | rpc.PeerStats
    | EmptyReply
)
Notice = (
    rpc.PeerStateNotice
    | rpc.SubscriberOfferNotice
    | rpc.PausedNotice
    | rpc.SpeakersNotice
    | rpc.RelayStateNotice
)

REPLIES: Mapping[type[Request], Any] = {
    rpc.PublisherOffer: rpc.PublisherAnswer,
    rpc.SubscriberSet: rpc.SubscriberOffer,
    rpc.SubscriberRestart: rpc.SubscriberOffer,
    rpc.SubscriberAnswer: dict[str, Any],
    rpc.PlayerOffer: rpc.PlayerAnswer,
    rpc.PlayerSet: dict[str, Any],
    rpc.PeerRestart: rpc.IceCredentials,
    rpc.PeerClose: dict[str, Any],
    rpc.TrackHold: dict[str, Any],
    rpc.RelayOpen: dict[str, Any],
    rpc.RelaySend: dict[str, Any],
    rpc.RelayReceive: dict[str, Any],
    rpc.RelayClose: dict[str, Any],
    rpc.RecordingFeed: dict[str, Any],
    rpc.Hello: rpc.WorkerInfo,
    rpc.Ping: dict[str, Any],
    rpc.Stats: WorkerStats,
    rpc.PeerStats: PeersStats,
}
"""What each request is answered with."""

METHODS: Mapping[str, type[Request]] = {request.method: request for request in REPLIES}
NOTICES: Mapping[str, type[Notice]] = {
    notice.notice: notice
    for notice in (
        rpc.PeerStateNotice,
        rpc.SubscriberOfferNotice,
        rpc.PausedNotice,
        rpc.SpeakersNotice,
        rpc.RelayStateNotice,
    )
}

_log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder()


class FramingError(Exception):
    """The other side does not speak our framing; the connection is of no more use."""


class RpcError(Exception):
    """A request was refused.

    Attributes:
        code: ``bad_sdp``, ``no_codec``, ``unknown_peer``, ``unknown_link``, ``bad_request``,
            ``unknown_method``, ``internal``, ``gone`` (the connection ended) or ``timeout``.
        message: a sentence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class _Failure(msgspec.Struct):
    code: str
    message: str


class _RequestFrame(msgspec.Struct):
    id: int
    method: str
    params: msgspec.Raw = msgspec.Raw(b"\x80")


class _WorkerFrame(msgspec.Struct):
    """A reply (``id``) or a notice."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"\x80")
    error: _Failure | None = None
    notice: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"\x80")


_decode_request = msgspec.msgpack.Decoder(_RequestFrame).decode
_decode_worker_frame = msgspec.msgpack.Decoder(_WorkerFrame).decode


def encode_frame(message: object) -> bytes:
    """Give length and msgpack of ``message``.

    Raises:
        FramingError: it is larger than a frame may be.
    """
    body = _encoder.encode(message)
    if len(body) > rpc.MAX_FRAME_BYTES:
        raise FramingError(f"a frame of {len(body)} bytes exceeds {rpc.MAX_FRAME_BYTES}")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def read_frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes | None]:
    """Yield each frame's body until the stream ends; None for one too large, which is skipped."""
    try:
        while True:
            left = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
            if left <= rpc.MAX_FRAME_BYTES:
                yield await reader.readexactly(left)
                continue
            while left:
                chunk = await reader.read(min(left, 1 << 16))
                if not chunk:
                    return
                left -= len(chunk)
            yield None
    except (asyncio.IncompleteReadError, ConnectionError):
        return


class _Writer(Protocol):
    """What we use of asyncio.StreamWriter."""

    @property
    def transport(self) -> asyncio.WriteTransport: ...
    def write(self, data: bytes) -> None: ...
    def is_closing(self) -> bool: ...
    def close(self) -> None: ...


def _write(writer: _Writer, frame: bytes) -> None:
    """Write without waiting; cut a connection whose other side has stopped reading."""
    if writer.is_closing():
        return
    writer.write(frame)
    if writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
        _log.error("the other side of the worker socket has stopped reading; closing it")
        writer.transport.abort()


class RpcClient:
    """The node's end.

    Owner: whoever supervises the worker. Lifetime: one connection; ``run`` reads it
    and returns when it ended, and everything still unanswered then fails as ``gone``.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_notice: Callable[[Notice], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_notice = on_notice
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._ended = False

    async def run(self) -> None:
        """Read replies and notices until the connection ends.

        Raises:
            FramingError: the worker sent something that is not ours to read.
        """
        try:
            async for body in read_frames(self._reader):
                if body is None:
                    raise FramingError("the worker sent a frame that is too large")
                self._take(body)
        finally:
            self.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    def _take(self, body: bytes) -> None:
        try:
            frame = _decode_worker_frame(body)
            if frame.notice is not None:
                cls = NOTICES.get(frame.notice)
                if cls is None:
                    _log.warning("the worker sent an unknown notice: %.64s", frame.notice)
                    return
                self._notice(msgspec.msgpack.decode(frame.params, type=cls))
                return
        except msgspec.MsgspecError as error:
            raise FramingError(f"the worker sent a frame we cannot read: {error}") from error
        waiting = self._waiting.pop(frame.id, None) if frame.id is not None else None
        if waiting is None or waiting.done():
            return  # a late reply to a call that timed out
        if frame.error is not None:
            waiting.set_exception(RpcError(frame.error.code, frame.error.message))
        else:
            waiting.set_result(frame.result)

    def _notice(self, notice: Notice) -> None:
        try:
            self._on_notice(notice)
        except Exception:
            _log.exception("the handler of %s failed", notice.notice)

    @overload
    async def call(
        self, request: rpc.PublisherOffer, timeout: float = ...
    ) -> rpc.PublisherAnswer: ...
    @overload
    async def call(
        self, request: rpc.SubscriberSet | rpc.SubscriberRestart, timeout: float = ...
    ) -> rpc.SubscriberOffer: ...
    @overload
    async def call(self, request: rpc.PlayerOffer, timeout: float = ...) -> rpc.PlayerAnswer: ...
    @overload
    async def call(self, request: rpc.PeerRestart, timeout: float = ...) -> rpc.IceCredentials: ...
    @overload
    async def call(self, request: rpc.Hello, timeout: float = ...) -> rpc.WorkerInfo: ...
    @overload
    async def call(self, request: rpc.Stats, timeout: float = ...) -> WorkerStats: ...
    @overload
    async def call(self, request: rpc.PeerStats, timeout: float = ...) -> PeersStats: ...
    @overload
    async def call(self, request: EmptyReply, timeout: float = ...) -> dict[str, Any]: ...

    async def call(self, request: Request, timeout: float = 5.0) -> Any:
        """Ask the worker and await its reply.

        Calls reach the worker in the order they were made, whoever awaits first.

        Raises:
            RpcError: refused, or ``gone`` or ``timeout``.
        """
        if self._ended:
            raise RpcError("gone", "the media worker is not connected")
        self._last_id += 1
        call_id = self._last_id
        frame = encode_frame({"id": call_id, "method": request.method, "params": request})
        waiting: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = waiting
        _write(self._writer, frame)
        try:
            async with asyncio.timeout(timeout):
                raw = await waiting
        except TimeoutError:
            raise RpcError(
                "timeout", f"the media worker did not answer {request.method} within {timeout} s"
            ) from None
        finally:
            self._waiting.pop(call_id, None)
        return msgspec.msgpack.decode(raw, type=REPLIES[type(request)])

    def close(self) -> None:
        """Close the connection, which ends the worker, and fail what is unanswered."""
        self._ended = True
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(RpcError("gone", "the media worker has gone away"))
        self._waiting.clear()


class RpcServer:
    """The worker's end.

    Args:
        handle: does what a request asks, at once, and returns the reply; raises
            RpcError to refuse. Anything else it raises is our fault: logged,
            answered ``internal``, and the worker goes on.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handle: Callable[[Request], object],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handle = handle
        self.malformed = 0

    async def run(self) -> None:
        """Answer requests until the node closes the connection."""
        async for body in read_frames(self._reader):
            if body is None:
                self.malformed += 1
                _log.warning("skipped a request that is too large")
                continue
            try:
                frame = _decode_request(body)
            except msgspec.MsgspecError as error:
                self.malformed += 1
                _log.warning("skipped a request we cannot read: %s", error)
                continue
            self._send({"id": frame.id, **self._answer(frame)})

    def _answer(self, frame: _RequestFrame) -> dict[str, object]:
        cls = METHODS.get(frame.method)
        if cls is None:
            return _refusal("unknown_method", f"no method {frame.method[:64]!r}")
        try:
            request = msgspec.msgpack.decode(frame.params, type=cls)
        except msgspec.MsgspecError as error:
            self.malformed += 1
            return _refusal("bad_request", f"{frame.method}: {error}")
        try:
            return {"result": self._handle(request)}
        except RpcError as error:
            return _refusal(error.code, error.message)
        except Exception as error:
            _log.exception("%s failed", frame.method)
            return _refusal("internal", f"{type(error).__name__}: {error}")

    def notify(self, notice: Notice) -> None:
        """Tell the node something it did not ask for."""
        self._send({"notice": notice.notice, "params": notice})

    def _send(self, message: dict[str, object]) -> None:
        try:
            frame = encode_frame(message)
        except (FramingError, TypeError, ValueError) as error:
            _log.exception("a message to the node cannot be framed")
            if "id" not in message:
                return
            frame = encode_frame({"id": message["id"], **_refusal("internal", str(error))})
        _write(self._writer, frame)


def _refusal(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}
