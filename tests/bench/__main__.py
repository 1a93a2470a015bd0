"""``python -m tests.bench``: measure, print tables, and with ``--write`` put them into the docs."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.bench import chat, forward, growth, join, ramp, report, start, workers
from tests.bench.contenders import CONTENDERS
from tests.bench.load import Shape

ORDER = ("forward", "ramp", "subscribers", "publishers", "workers", "join", "chat", "start")


def main(arguments: list[str]) -> int:
    chosen = _parser().parse_args(arguments)
    for name in chosen.measurements or ORDER:
        began = time.monotonic()
        try:
            section = _measure(name, chosen)
        except report.SkippedError as skipped:
            print(f"\nSkipped {skipped}", flush=True)
            continue
        print(f"\n{section.text()}\n({time.monotonic() - began:.0f} s)", flush=True)
        if chosen.write:
            report.write([section], ORDER)
    return 0


def _measure(name: str, chosen: argparse.Namespace) -> report.Section:
    match name:
        case "forward":
            return asyncio.run(
                forward.measure(chosen.shapes, chosen.servers, chosen.windows, chosen.seconds)
            )
        case "ramp":
            return asyncio.run(ramp.measure(chosen.ramp_shape, chosen.servers, chosen.seconds))
        case "subscribers":
            return asyncio.run(growth.measure(growth.SUBSCRIBERS, chosen.servers, chosen.seconds))
        case "publishers":
            return asyncio.run(growth.measure(growth.PUBLISHERS, chosen.servers, chosen.seconds))
        case "workers":
            return asyncio.run(
                workers.measure(chosen.worker_sessions, chosen.windows, chosen.seconds)
            )
        case "join":
            return asyncio.run(join.measure(chosen.joins))
        case "chat":
            return asyncio.run(chat.measure(chosen.members, chosen.messages))
        case _:
            return start.measure(chosen.starts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure Yunhai on this machine, side by side with Janus (where it is installed) "
        "and Medooze (installed into build/bench the first time).",
    )
    parser.add_argument(
        "measurements", nargs="*", type=_measurement, metavar="WHAT",
        help=f"any of {', '.join(ORDER)} (default: all, in about a quarter of an hour)",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")  # fmt: skip
    parser.add_argument(
        "--servers", type=_servers, default=",".join(CONTENDERS), metavar="NAME,...",
        help="forward, ramp, subscribers, publishers: which (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--shapes", type=_shapes, default="1x100,1x300,10x10", metavar="PxS,...",
        help="forward: publishers x sessions of each (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--ramp-shape", type=_shape, default="2x100", metavar="PxS",
        help="ramp: publishers x sessions of each (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--worker-sessions", type=int, default=100, metavar="S",
        help="workers: of a room; from 100 on one twice as large does not fit on one worker (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--windows", type=int, default=3, help="forward, workers: per server (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=3.0, help="of each window of a load (default: %(default)s)")  # fmt: skip
    parser.add_argument("--joins", type=int, default=20, help="join: repeats (default: %(default)s)")  # fmt: skip
    parser.add_argument("--members", type=int, default=50, help="chat: in the room (default: %(default)s)")  # fmt: skip
    parser.add_argument("--messages", type=int, default=150, help="chat: sent (default: %(default)s)")  # fmt: skip
    parser.add_argument("--starts", type=int, default=3, help="start: repeats (default: %(default)s)")  # fmt: skip
    return parser


def _measurement(text: str) -> str:
    if text not in ORDER:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ORDER)}")
    return text


def _servers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CONTENDERS):
        raise argparse.ArgumentTypeError(f"{unknown.pop()!r} is none of {', '.join(CONTENDERS)}")
    return names


def _shapes(text: str) -> list[Shape]:
    return [_shape(part) for part in text.split(",")]


def _shape(text: str) -> Shape:
    try:
        publishers, sessions = text.split("x")
        return Shape(int(publishers), int(sessions))
    except ValueError:
        raise argparse.ArgumentTypeError("write it like 1x100") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
