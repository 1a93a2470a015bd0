"""What a measurement found, as text for a terminal and as a part of docs/performance.md."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
INTRO = """# Performance

Measured with `make bench` (`.venv/bin/python -m tests.bench --help` tells the choices); written by
`.venv/bin/python -m tests.bench --write`, which replaces the parts it measured. Figures of
different machines, or of one machine at different times, are not to be compared: only what was
measured side by side in one run is. That is why ratios come first. The load generator is our own
(`tests/bench`). Janus is measured where it is installed; Medooze is fetched from npm and compiled
into `build/bench` the first time, which takes minutes.
"""


class SkippedError(Exception):
    """A measurement cannot be made here; the message says why and what to do."""


def progress(what: str) -> None:
    """Tell whoever waits; no part of the result."""
    print(f"· {what}", flush=True)


@dataclass(frozen=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def text(self) -> str:
        lines = [self.head, *self.rows]
        widths = [max(_width(line[i]) for line in lines) for i in range(len(self.head))]
        return "\n".join(
            "  ".join(
                cell + " " * (width - _width(cell))
                for cell, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in lines
        )


@dataclass(frozen=True)
class Picture:
    """A file beside the page.

    Attributes:
        alt: all it shows, in words.
    """

    file: str
    alt: str
    svg: str


@dataclass
class Section:
    """One measurement.

    Attributes:
        name: as on the command line.
        method: how it was measured, in words.
        circumstances: on which machine, when, and how busy it was.
        remarks: what a reader should know about these figures, a sentence each.
    """

    name: str
    title: str
    method: str
    circumstances: str
    table: Table
    remarks: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def text(self) -> str:
        return "\n".join([f"{self.title}\n", self.table.text(), "", *self.remarks])

    def markdown(self) -> str:
        parts = [f"## {self.title}", self.method, self.circumstances, self.table.markdown()]
        shown = [f"![{picture.alt}]({picture.file})" for picture in self.pictures]
        return "\n\n".join([*parts, *shown, *self.remarks])


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank: the smallest value that at least ``share`` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def percentiles(
    values: Sequence[float], *shares: float, scale: float = 1.0, digits: int = 1
) -> str:
    """``12.3 / 45.6``; a dash without values."""
    if not values:
        return "–"
    return " / ".join(f"{percentile(values, share) * scale:.{digits}f}" for share in shares)


def write(sections: Sequence[Section], order: Sequence[str], page: Path = PAGE) -> None:
    """Put sections into the page, pictures beside it; what was not measured now stays as it is."""
    for section in sections:
        for picture in section.pictures:
            (page.parent / picture.file).write_text(picture.svg)
    kept = page.read_text() if page.exists() else ""
    parts = dict(re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", kept, re.DOTALL))
    parts.update({section.name: section.markdown() for section in sections})
    blocks = [f"<!-- {name} -->\n{parts[name]}\n<!-- end -->" for name in order if name in parts]
    page.write_text("\n".join([INTRO, "\n\n".join(blocks)]) + "\n")


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
