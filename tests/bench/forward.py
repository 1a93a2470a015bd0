"""Forwarding cost: our node and its peers under the same load, in turns, in one run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.contenders import YARDSTICKS, Contender, ready
from tests.bench.load import Load, Shape, Window
from tests.bench.machine import circumstances, cores, pinned
from tests.bench.report import Section, Table, percentiles

TITLE = "Forwarding: CPU time per packet"
METHOD = """\
A load of P publishers, each watched by S sessions, runs against one server: a session is a peer
connection of its own (ICE, DTLS, SRTP) that receives one publisher's sound and picture. A
publisher sends VP8 as 30 frames a second of 4 packets back to back, 1,100 bytes each, and 50
packets of Opus, 100 bytes; a key frame when asked; sender reports. Sessions send receiver
reports, ask for no retransmission and offer neither REMB nor transport-wide feedback. The server
is pinned to one core and the load to another. The load's sockets are swept every 10 ms instead of
being waited on, so that the server is not charged for waking the load.

Servers of a shape run at the same time and are measured in turns; those not measured stay
connected, with a frame every 0.6 s. Before and after each window the publishers pause until
nothing is in flight, so the packets due (sent times sessions) and those that arrived are exact.
The cost of a packet is the time in user and kernel mode of the server's processes (node and media
worker; not Valkey) by the packets that arrived, and so includes receiving, decrypting,
encrypting, sending, RTCP and timers; all packets stay on this machine, where the kernel's
receiving half runs inside the sender's call. Sessions check numbering from the clear header; two
per server decrypt every packet and check its checksum and order, and their packets' way is timed
from the publisher's send to the kernel's time of arrival. Memory is the growth of resident memory
per session. A join lasts from the first word of signalling to the first media packet, four at a
time while media flows to those already in.

*Yunhai, native* writes packets with its part in C, *Yunhai, Python* without it
(`YUNHAI_NATIVE=0`); both have one media worker. Janus is its VideoRoom plugin as Debian ships it,
with one event loop and ICE-lite, which is its cheapest configuration; memory of its first sessions
is a matter of its allocator. Medooze is its npm package behind a small front of ours, with one
endpoint, hence one UDP port and one thread for media. Ratios are of all windows together, and in
brackets the least and the greatest of any turn."""

HEAD = [
    "publishers x sessions", "server", *(f"CPU ÷ {name}" for name in YARDSTICKS), "µs per packet",
    "user + kernel", "packets/s", "lost", "transit p50 / p95 / p99 ms", "kB a session",
    "join p50 / p95 ms", "SRTP",
]  # fmt: skip


async def measure(
    shapes: Sequence[Shape], contenders: Sequence[str], windows: int, seconds: float
) -> Section:
    """Run all shapes.

    Raises:
        SkippedError: this is not Linux.
    """
    remarks: list[str] = []
    found = ready(contenders, remarks)
    server_core, load_core = cores()
    if server_core is None:
        remarks.append("There is one core only: server and load share it.")
    told = circumstances()
    rows: list[list[str]] = []
    with pinned(load_core):
        for shape in shapes:
            try:
                rows += await _measure_shape(shape, found, windows, seconds, server_core, remarks)
            except* (ConnectionError, TimeoutError) as failed:
                remarks.append(f"{shape}: not measured; {failed.exceptions[0]}.")
    return Section("forward", TITLE, METHOD, told, Table(HEAD, rows), remarks)


async def _measure_shape(
    shape: Shape,
    contenders: Sequence[Contender],
    windows: int,
    seconds: float,
    core: int | None,
    remarks: list[str],
) -> list[list[str]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loads: dict[str, Load] = {}
        for contender in contenders:
            server = await stack.enter_async_context(contender.start(folder, core))
            opened = Load.open(server, server.pid, shape)
            loads[contender.name] = await stack.enter_async_context(opened)
        measured: dict[str, list[Window]] = {name: [] for name in loads}
        for turn in range(windows):
            names = list(loads) if turn % 2 == 0 else list(reversed(loads))
            for name in names:
                measured[name].append(await loads[name].window(seconds))
    for name, load in loads.items():
        remarks += doubts(f"{name}, {shape}", load, sum(measured[name], Window()))
    return [_row(name, shape, load, measured) for name, load in loads.items()]


def _row(name: str, shape: Shape, load: Load, measured: dict[str, list[Window]]) -> list[str]:
    total = sum(measured[name], Window())
    packet_us = 1e6 / max(1, total.got)
    return [
        str(shape),
        name,
        *(_ratio(measured[name], measured.get(yardstick)) for yardstick in YARDSTICKS),
        f"{total.us_per_packet:.1f}",
        f"{total.usage.user_s * packet_us:.1f} + {total.usage.system_s * packet_us:.1f}",
        f"{total.got / total.seconds:,.0f}",
        f"{total.lost:.2%}" if total.lost else "none",
        percentiles(total.transit_ns, 0.5, 0.95, 0.99, scale=1e-6, digits=2),
        f"{load.session_bytes / 1000:.0f}",
        percentiles(load.joins_s, 0.5, 0.95, scale=1e3, digits=0),
        load.profile.removeprefix("SRTP_"),
    ]


def _ratio(ours: list[Window], theirs: list[Window] | None) -> str:
    """Of all windows together, and the least and greatest of any turn."""
    if theirs is None:
        return "–"
    if ours is theirs:
        return "1"
    whole = sum(ours, Window()).us_per_packet / sum(theirs, Window()).us_per_packet
    turns = [a.us_per_packet / b.us_per_packet for a, b in zip(ours, theirs, strict=True)]
    return f"**{whole:.2f}** ({min(turns):.2f} to {max(turns):.2f})"


def doubts(what: str, load: Load, total: Window) -> list[str]:
    """Why a figure should not be believed, if it should not."""
    found = []
    if load.faults:
        seen = ", ".join(f"{count} {fault}" for fault, count in sorted(load.faults.items()))
        found.append(f"{what}: not all arrived as it was sent: {seen}.")
    if total.own_s > 0.9 * total.seconds:
        found.append(f"{what}: the load itself used up its core.")
    if total.stall_s > 0.1:
        found.append(
            f"{what}: the load was kept waiting for its core for up to"
            f" {total.stall_s * 1e3:.0f} ms; the machine was busy with other things."
        )
    if total.usage.cpu_s > 0.95 * total.seconds and os.cpu_count() != 1:
        found.append(f"{what}: the server used up its core.")
    return found
