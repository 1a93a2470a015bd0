"""The worker as a process: its start, its end, and what must not disturb it."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import socket
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from media import rpc
from media.framing import RpcClient, encode_frame
from media.sdp import parse
from tests.media.people import Performer, Viewer
from tests.media.test_worker import shows
from tests.media.workers import ROOT, RunningWorker, connected, start_process, worker
from tests.wire import until

SEED = 20261121

pytestmark = pytest.mark.slow


async def test_a_taken_port_is_named_with_the_variable_to_change(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        process = await start_process(tmp_path / "no.sock", port=port)
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 3
    (line,) = stderr.decode().splitlines()
    assert re.fullmatch(
        rf"cannot bind UDP port {port} on 127\.0\.0\.1: .*in use.*set YUNHAI_MEDIA_PORT", line
    )


async def test_an_address_that_is_not_ours_is_named_with_the_variable_to_change(
    tmp_path: Path,
) -> None:
    process = await start_process(tmp_path / "no.sock", host="192.0.2.1")
    _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 3
    assert stderr.decode().rstrip().endswith("set YUNHAI_MEDIA_HOST")


async def test_a_taken_tcp_port_is_named_and_no_matter_without_tcp(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await start_process(tmp_path / "no.sock", port=port)
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 3
        (line,) = stderr.decode().splitlines()
        assert line.startswith(f"cannot bind TCP port {port} on 127.0.0.1: ")
        async with worker(more=["--port", str(port), "--no-tcp"]) as running:
            assert running.info.port == port


async def test_a_worker_without_a_node_says_so_and_ends(tmp_path: Path) -> None:
    process = await start_process(tmp_path / "no.sock")
    _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert str(tmp_path / "no.sock") in stderr.decode()


async def test_it_tells_the_addresses_it_was_given() -> None:
    async with worker("0.0.0.0", more=["--advertise", "192.0.2.7,127.0.0.1"]) as running:
        assert running.info.addresses == ["192.0.2.7", "127.0.0.1"]
        assert running.info.pid == running.process.pid
        performer = Performer(running, "p")
        try:
            answer = await running.client.call(
                rpc.PublisherOffer(peer="p", room="r", sdp=performer.client.offer())
            )
            section = parse(answer.sdp).sections[0]
            assert [line.split()[2:6:2] for line in section.candidates] == [
                ["udp", "192.0.2.7"],
                ["udp", "127.0.0.1"],
                ["tcp", "192.0.2.7"],
                ["tcp", "127.0.0.1"],
            ]
            assert {line.split()[5] for line in section.candidates} == {str(running.info.port)}
        finally:
            performer.close()


async def test_it_ends_by_itself_when_the_node_closes_the_connection() -> None:
    async with worker() as running:
        performer = Performer(running, "p")
        try:
            await performer.publish(video=False)
            running.client.close()
            assert await running.ended() == 0
            # Its peers were told.
            await until(lambda: performer.client.state == "closed")
        finally:
            performer.close()


async def test_a_signal_ends_it_cleanly() -> None:
    async with worker() as running:
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0


PARENT = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-m", "media", "--socket", sys.argv[1],
                           "--host", "127.0.0.1", "--port", "0"])
print(worker.pid, flush=True)
worker.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_it_dies_with_its_parent_even_while_the_connection_stands() -> None:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    with tempfile.TemporaryDirectory(prefix="yunhai-", dir="/tmp") as folder:
        path = Path(folder) / "media.sock"
        listener = await asyncio.start_unix_server(
            lambda reader, writer: accepted.put_nowait((reader, writer)), path
        )
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PARENT, str(path),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        assert parent.stdout is not None
        pid = int(await parent.stdout.readline())
        reader, writer = await asyncio.wait_for(accepted.get(), 30)
        client = RpcClient(reader, writer, lambda _: None)
        reading = asyncio.create_task(client.run())
        assert (await client.call(rpc.Hello(node="n"))).pid == pid
        parent.kill()
        await parent.wait()
        await asyncio.wait_for(reading, 10)  # the worker closed its end
        await until(lambda: not _alive(pid))
        listener.close()


def _alive(pid: int) -> bool:
    """Whether a process that is not our child runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_garbage_from_strangers_disturbs_nobody_and_is_not_answered() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    async with worker() as running:
        performer, viewer = Performer(running, "p"), Viewer(running, "a")
        try:
            await performer.publish()
            await viewer.watch("p-audio", "p-video")
            await connected(running, "a")
            picture, sound = viewer.on("p-video"), viewer.on("p-audio")
            await shows(picture, 5)
            address = ("127.0.0.1", running.info.port)
            ssrc = next(iter(viewer.received)).to_bytes(4, "big")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                stranger.setblocking(False)
                sent = 0
                for _ in range(40):
                    for datagram in (
                        b"",
                        b"\x80",
                        bytes([0x80, 96]) + bytes(6) + ssrc + bytes(100),  # plain RTP
                        bytes([0x80, 200, 0, 6]) + chance.randbytes(24),  # plain RTCP
                        bytes([0x80, 96]) + chance.randbytes(1600),  # too long
                        bytes([22, 0xFE, 0xFD]) + chance.randbytes(60),  # DTLS
                        # A check for a user nobody is, and one that is broken.
                        b"\x00\x01\x00\x0c\x21\x12\xa4\x42" + bytes(12)
                        + b"\x00\x06\x00\x08x:y\x00\x00\x00\x00\x00",
                        b"\x00\x01\xff\xff\x21\x12\xa4\x42" + chance.randbytes(40),
                        chance.randbytes(chance.randrange(1, 1500)),
                    ):  # fmt: skip
                        stranger.sendto(datagram, address)
                        sent += 1
                    await shows(picture, 1)
                with pytest.raises(BlockingIOError):
                    stranger.recv(2048)
            assert picture.missing == sound.missing == 0
            assert len(picture.decoded_sizes()) == len(picture.frames())
            counters = (await running.stats())["port"]
            assert sum(n for name, n in counters.items() if "dropped" in name) >= sent - 40
        finally:
            performer.close()
            viewer.close()


async def test_an_authenticated_peer_that_sends_rubbish_harms_only_itself() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    async with worker() as running:
        performer, viewer = Performer(running, "p"), Viewer(running, "a")
        rogue, leech = Performer(running, "rogue"), Viewer(running, "leech")
        try:
            for each in (performer, rogue):
                await each.publish()
            await viewer.watch("p-video", "p-audio")
            await leech.watch("rogue-video", "p-video")
            await connected(running, "a")
            await connected(running, "leech")
            picture = viewer.on("p-video")
            await shows(picture, 5)
            ssrc = leech.client.lines["1"].ssrc or 0
            began = asyncio.get_running_loop().time()
            asked = len(performer.keyframes_asked)
            for _ in range(30):
                for _ in range(40):
                    # RTP of any shape on any SSRC.
                    head = bytes([0x80 | chance.randrange(64), chance.randrange(128)])
                    rogue.client.send_rtp(head + chance.randbytes(chance.randrange(10, 300)))
                    stream = rogue.client.stream("video").identity
                    rogue.client.send_rtp(
                        bytes([chance.choice((0x80, 0x90, 0xA0, 0xB0)), stream.payload_type])
                        + chance.randbytes(6)
                        + stream.ssrc.to_bytes(4, "big")
                        + chance.randbytes(chance.randrange(0, 60))
                    )
                    # RTCP of any shape, and storms of requests.
                    for client in (rogue.client, leech.client):
                        kind = bytes([0x80 | chance.randrange(32), chance.randrange(192, 224)])
                        body = chance.randbytes(4 * chance.randrange(1, 12))
                        length = (len(body) // 4).to_bytes(2, "big")
                        client.send_rtcp(kind + length + body)
                    leech.client.request_keyframe(ssrc)
                await shows(picture, 1)
            took_s = asyncio.get_running_loop().time() - began
            assert len(performer.keyframes_asked) - asked <= 1 + took_s / 0.5
            assert picture.missing == 0
            assert len(picture.decoded_sizes()) == len(picture.frames())
            states = {
                (n.peer, n.state)
                for n in running.notices(rpc.PeerStateNotice)
                if n.peer in ("p", "a")
            }
            assert ("p", "failed") not in states
            assert ("a", "failed") not in states
        finally:
            for each in (performer, rogue):
                each.close()
            for one in (viewer, leech):
                one.close()


async def test_malformed_requests_do_not_end_it() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    async with worker() as running:
        writer = running.client._writer
        for _ in range(50):
            junk = chance.randbytes(chance.randrange(0, 200))
            writer.write(len(junk).to_bytes(4, "big") + junk)
        writer.write(encode_frame({"id": "x", "method": 3}))
        writer.write((1 << 21).to_bytes(4, "big") + bytes(1 << 21))
        assert (await running.client.call(rpc.Hello(node="n"))).pid == running.process.pid
        for method in ("publisher.offer", "relay.open", "subscriber.set", "player.offer"):
            call_id = 10_000 + len(method)
            waiting: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
            running.client._waiting[call_id] = waiting
            writer.write(encode_frame({"id": call_id, "method": method, "params": {"peer": 1}}))
            with pytest.raises(Exception, match="bad_request"):
                await asyncio.wait_for(waiting, 5)
        assert running.process.returncode is None


async def test_statistics_count_packets_and_reasons() -> None:
    async with worker() as running:
        performer, viewer = Performer(running, "p"), Viewer(running, "a")
        try:
            await performer.publish()
            await viewer.watch("p-video")
            await connected(running, "a")
            await shows(viewer.on("p-video"))
            stats = await running.stats()
            await _check_stats(running, stats)
        finally:
            performer.close()
            viewer.close()


async def _check_stats(running: RunningWorker, stats: dict[str, object]) -> None:
    flat = msgspec.json.decode(msgspec.json.encode(stats))
    assert flat["uptime_s"] > 0
    assert flat["port"]["received"] > 0
    assert flat["port"]["sent"] > 0
    assert flat["tracks"]["p-video"]["outputs"] == 1
    assert flat["tracks"]["p-audio"]["outputs"] == 0
    assert flat["subscribers"]["a"]["tracks"][0]["packets"] > 0
    assert flat["publishers"]["p"]["srtp"] == "SRTP_AEAD_AES_128_GCM"
