"""Fuzz one parser for some seconds, or try one input. Needs atheris (Linux, Python up to 3.13)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["media"]):
    from tests.fuzz.targets import CRASHES, TARGETS, kept


def main(name: str, seconds_or_file: str) -> None:
    """Fuzz, and leave what was found in ``crashes``; does not return."""
    target = TARGETS[name]
    if not seconds_or_file.isdigit():
        target(Path(seconds_or_file).read_bytes())
        return
    folder = CRASHES / name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"yunhai-fuzz-{name}-") as corpus:
        known = [*target.seeds(), *(path.read_bytes() for path in kept(name))]
        for number, seed in enumerate(known):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        arguments = [
            sys.argv[0],
            f"-max_total_time={seconds_or_file}",
            f"-max_len={target.max_bytes}",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
            "-timeout=20",
            "-rss_limit_mb=2048",
            corpus,
        ]
        atheris.Setup(arguments, target)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
