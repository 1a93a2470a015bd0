"""The measurements run, on a load so small that no figure of theirs means anything."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.bench import chat, forward, payload, report
from tests.bench.load import Shape
from tests.bench.report import Section, Table, percentile


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0, 4.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0
    assert percentile([7.0], 0.5) == 7.0


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_damaged_payload_is_not_read(kind: str) -> None:
    before_ns = time.time_ns()
    head = {"first": True, "keyframe": False}
    made = payload.audio(7) if kind == "audio" else payload.video(7, 1, **head)
    mark = payload.read(kind, made)
    assert mark is not None
    assert mark.number == 7
    assert before_ns <= mark.sent_ns <= time.time_ns()
    damaged = bytearray(made)
    damaged[50] ^= 1
    assert payload.read(kind, bytes(damaged)) is None
    assert payload.read(kind, made[:-1]) is None


def test_writing_one_section_keeps_the_others(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    first = Section("one", "One", "how", "where", Table(["a"], [["1"]]))
    second = Section("two", "Two", "how", "where", Table(["b"], [["2"]]), ["Said of it."])
    report.write([first, second], ["one", "two"], page)
    again = Section("one", "One", "how", "where", Table(["a"], [["3"]]))
    report.write([again], ["one", "two"], page)
    text = page.read_text()
    assert "| 3 |" in text
    assert "| 1 |" not in text
    assert text.index("## One") < text.index("## Two") < text.index("Said of it.")


@pytest.mark.slow
async def test_the_forwarding_measurement_decrypts_what_it_counts() -> None:
    section = await forward.measure([Shape(1, 2)], windows=1, seconds=1.0)
    for row in section.table.rows:
        found = dict(zip(section.table.head, row, strict=True))
        assert float(found["µs per packet"]) > 0
        assert float(found["packets/s"]) > 0
        assert found["SRTP"] == "AEAD_AES_128_GCM"
    told = " ".join(section.remarks)
    assert "damaged" not in told
    assert "unauthentic" not in told


@pytest.mark.slow
async def test_the_chat_measurement_hears_of_every_message() -> None:
    section = await chat.measure(members=3, messages=4)
    assert section.table.rows[0][-2:] == ["3", "4"]
