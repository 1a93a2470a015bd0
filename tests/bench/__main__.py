"""``python -m tests.bench``: measure, print tables, and with ``--write`` put them into the docs."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.bench import chat, forward, join, report, start
from tests.bench.load import Shape

ORDER = ("forward", "join", "chat", "start")


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
            return asyncio.run(forward.measure(chosen.shapes, chosen.windows, chosen.seconds))
        case "join":
            return asyncio.run(join.measure(chosen.joins))
        case "chat":
            return asyncio.run(chat.measure(chosen.members, chosen.messages))
        case _:
            return start.measure(chosen.starts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure Yunhai on this machine, side by side with Janus where it is installed.",
    )
    parser.add_argument(
        "measurements", nargs="*", type=_measurement, metavar="WHAT",
        help=f"any of {', '.join(ORDER)} (default: all, in about four minutes)",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")  # fmt: skip
    parser.add_argument(
        "--shapes", type=_shapes, default="1x100,10x10", metavar="PxS,...",
        help="forward: publishers x sessions of each (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--windows", type=int, default=4, help="forward: per server (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=4.0, help="forward: of each window (default: %(default)s)")  # fmt: skip
    parser.add_argument("--joins", type=int, default=20, help="join: repeats (default: %(default)s)")  # fmt: skip
    parser.add_argument("--members", type=int, default=50, help="chat: in the room (default: %(default)s)")  # fmt: skip
    parser.add_argument("--messages", type=int, default=150, help="chat: sent (default: %(default)s)")  # fmt: skip
    parser.add_argument("--starts", type=int, default=3, help="start: repeats (default: %(default)s)")  # fmt: skip
    return parser


def _measurement(text: str) -> str:
    if text not in ORDER:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ORDER)}")
    return text


def _shapes(text: str) -> list[Shape]:
    try:
        pairs = [part.split("x") for part in text.split(",")]
        return [Shape(int(publishers), int(sessions)) for publishers, sessions in pairs]
    except ValueError:
        raise argparse.ArgumentTypeError("write them like 1x100,10x10") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
