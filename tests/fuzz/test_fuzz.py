"""No bytes raise anything but what is documented, or take long."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, kept

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("YUNHAI_TEST_FUZZ_SECONDS", "60"))
AT_ONCE = 2
LEAST_RUNS = 200
"""Fewer would mean that the fuzzer did not begin."""


@pytest.mark.parametrize("name", TARGETS)
def test_what_parsers_are_made_for_and_what_once_broke_them_is_taken(name: str) -> None:
    target = TARGETS[name]
    inputs = {f"seed {n}": seed for n, seed in enumerate(target.seeds())}
    inputs |= {path.name: path.read_bytes() for path in kept(name)}
    for label, data in inputs.items():
        try:
            target(data)
        except Exception as error:
            error.add_note(f"input: {label}")
            raise


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * len(TARGETS) + 300)
async def test_fuzzing_finds_nothing_new() -> None:
    if not SECONDS:
        pytest.skip("left out by YUNHAI_TEST_FUZZ_SECONDS=0")
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("there is no atheris for this platform: Linux on x86-64, Python 3.11 to 3.13")
    turn = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_fuzz(name, turn) for name in TARGETS))
    assert "".join(found) == ""


async def _fuzz(name: str, turn: asyncio.Semaphore) -> str:
    """Run one fuzzer; what it found, "" for nothing."""
    before = set(kept(name))
    async with turn:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fuzz", name, str(SECONDS),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    said = output.decode(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", said)
    print(f"{name}: {runs.group(1) if runs else 'no'} runs")
    new = set(kept(name)) - before
    if new or process.returncode or not runs or int(runs.group(1)) < LEAST_RUNS:
        inputs = [f"{path.name}: {base64.b64encode(path.read_bytes()).decode()}" for path in new]
        return "\n".join([f"{name} ended with {process.returncode}", said[-4000:], *inputs, ""])
    return ""
