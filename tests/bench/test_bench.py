"""The measurements run, on a load so small that no figure of theirs means anything."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.bench import chat, forward, growth, payload, ramp, report, workers
from tests.bench.chart import LABEL_STEP, Line, chart
from tests.bench.growth import Curve
from tests.bench.load import Load, Shape, Window
from tests.bench.machine import Usage
from tests.bench.report import Picture, Section, Table, percentile
from tests.bench.servers import node


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


def test_a_picture_is_written_beside_the_page_and_told_in_words(tmp_path: Path) -> None:
    picture = Picture("growth.svg", "It grows: 1, 2.", "<svg/>")
    section = Section("one", "One", "how", "where", Table(["a"], [["1"]]), pictures=[picture])
    report.write([section], ["one"], tmp_path / "performance.md")
    assert "![It grows: 1, 2.](growth.svg)" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "growth.svg").read_text() == "<svg/>"


def test_a_chart_marks_every_point_and_names_every_line_apart_from_the_others() -> None:
    lines = [
        Line("A & B", [(10, 9.0), (100, 5.0), (500, 4.0)]),
        Line("C", [(10, 9.5), (100, 4.1)]),
        Line("nothing", []),
    ]
    drawn = chart("Cost < 10", "sessions", lines)
    root = ElementTree.fromstring(drawn)
    name = "{http://www.w3.org/2000/svg}"
    marks = [each for each in root.iter() if each.get("class") == "mark"]
    assert len(marks) == 5 + 2
    texts = {each.text: float(each.get("y", "0")) for each in root.iter(f"{name}text")}
    assert {"A & B", "C", "Cost < 10", "10", "100", "500"} <= texts.keys()
    assert "nothing" not in texts
    assert abs(texts["A & B"] - texts["C"]) >= LABEL_STEP - 0.1
    places = [
        tuple(map(float, place.split(",")))
        for line in root.iter(f"{name}polyline")
        for place in line.get("points", "").split()
    ]
    assert [x for x, _ in places[:3]] == sorted(x for x, _ in places[:3])
    assert [y for _, y in places[:3]] == sorted(y for _, y in places[:3]), "cheaper is lower"
    assert "prefers-color-scheme: dark" in drawn


def window(*, got: int, expected: int = 10_000, transit_ns: int = 1_000_000) -> Window:
    return Window(seconds=1.0, expected=expected, got=got, transit_ns=[transit_ns] * 100)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (window(got=10_000), True),
        (window(got=9_995), True),
        (window(got=9_980), False),
        (window(got=10_000, transit_ns=30_000_000), False),
        (window(got=9_000, expected=9_000), False),
    ],
    ids=["all came", "a few lost", "too many lost", "too late", "not sent at all"],
)
def test_a_rate_is_sustained_when_what_was_due_came_in_time(
    measured: Window, verdict: bool
) -> None:
    assert ramp.sustained(measured, 10_000) is verdict


def test_the_limit_of_two_workers_is_that_of_the_busier_one() -> None:
    measured = Window(
        seconds=1.0,
        got=10_000,
        usages={1: Usage(0.01, 0.0), 2: Usage(0.03, 0.01), 3: Usage(0.03, 0.02)},
    )
    assert workers._limit(measured, workers.APART) == pytest.approx(10_000 / 0.05)
    assert workers._workers_s(measured, workers.APART) == pytest.approx([0.05, 0.04])


@pytest.mark.slow
async def test_growth_is_measured_as_people_come_in() -> None:
    curve = Curve("subscribers", "Growth", "sessions", (Shape(1, 1), Shape(2, 2)))
    section = await growth.measure(curve, ["python"], seconds=1.0)
    assert [row[0] for row in section.table.rows] == ["1", "2"]
    assert all(float(row[1]) > 0 for row in section.table.rows)
    assert re.search(r"Yunhai, Python: 1 → [\d.]+, 2 → [\d.]+\.", section.pictures[0].alt)
    assert not [remark for remark in section.remarks if "not all arrived" in remark]


@pytest.mark.slow
async def test_sessions_that_only_count_miss_nothing(tmp_path: Path) -> None:
    async with (
        node("a node", native=False)(tmp_path, None) as server,
        Load.open(server, server.pid, Shape(1, 4), hasty=True) as load,
    ):
        load.set_rate(1200)
        assert load.packets_per_s == pytest.approx(1200)
        measured = await load.window(1.0)
    assert measured.got == measured.expected > 500
    assert not load.faults


@pytest.mark.slow
async def test_the_forwarding_measurement_decrypts_what_it_counts() -> None:
    section = await forward.measure(
        [Shape(1, 2)], ["native", "python", "janus"], windows=1, seconds=1.0
    )
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
