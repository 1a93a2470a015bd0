"""Writes the files that follow from the code: the client's wire types and the documents' tables.

``python -m tools.generate`` writes them; ``--check`` changes nothing and fails
when one is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from server import config
from tools.protocol_page import permissions_page, protocol_tables
from tools.wire_types import typescript

ROOT = Path(__file__).parent.parent

BEGIN = "<!-- generated from rooms/*.py by `make generate`: change those -->"
END = "<!-- generated: end -->"


def main(arguments: list[str] | None = None) -> int:
    """Write or check every generated file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if out of date")
    check: bool = parser.parse_args(arguments).check
    stale = [path for path, text in generated(ROOT).items() if _read(path) != text]
    for path in stale:
        shown = path.relative_to(ROOT)
        if check:
            print(f"{shown} is out of date: run `make generate`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated(ROOT)[path], encoding="utf-8")
            print(f"{shown} written")
    return 1 if check and stale else 0


def generated(root: Path) -> dict[Path, str]:
    """Return the text every generated file should have."""
    protocol = root / "docs/protocol.md"
    return {
        root / "web/client/src/wire.ts": typescript(),
        root / "docs/permissions.md": permissions_page(),
        root / "docs/configuration.md": config.markdown(),
        protocol: with_tables(_read(protocol) or "# Protocol\n", protocol_tables()),
    }


def with_tables(page: str, tables: str) -> str:
    """Put ``tables`` between the page's marks, or at its end when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin:
        before, after = page.rstrip() + "\n\n", "\n"
    elif not end:
        raise ValueError(f"docs/protocol.md has {BEGIN!r} without {END!r}")
    return f"{before}{BEGIN}\n\n{tables.strip()}\n\n{END}{after}"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
