from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools import generate, protocol_examples
from tools.generate import BEGIN, END, with_tables
from tools.protocol_page import BadExampleError, permissions_page, protocol_tables
from tools.wire_types import is_optional, spell, typescript, wire_fields


@dataclass(frozen=True)
class Sample:
    kept: int
    left_out: list[str] = field(default_factory=list)


def test_generated_files_are_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_check_fails_and_changes_nothing_when_a_file_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "docs/permissions.md is out of date: run `make generate`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_prose_around_the_tables_is_kept() -> None:
    page = f"# Title\n\nBefore.\n\n{BEGIN}\n\nold\n\n{END}\n\nAfter.\n"
    assert (
        with_tables(page, "new\n") == f"# Title\n\nBefore.\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n"
    )


def test_a_page_without_marks_gets_the_tables_at_its_end() -> None:
    once = with_tables("# Title\n", "new")
    assert once == f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n"
    assert with_tables(once, "new") == once


def test_a_page_with_half_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="without"):
        with_tables(f"{BEGIN}\nand then nothing\n", "new")


@pytest.mark.parametrize(
    ("hint", "spelled"),
    [
        (str, "string"),
        (int | None, "number | null"),
        (list[int | None], "(number | null)[]"),
        (tuple[str, ...], "string[]"),
        (dict[str, object], "Record<string, unknown>"),
        (Sample, "Sample"),
    ],
)
def test_python_types_are_spelled_in_typescript(hint: Any, spelled: str) -> None:
    assert spell(hint) == spelled


def test_a_type_without_a_spelling_is_refused() -> None:
    with pytest.raises(TypeError, match=r"teach tools/wire_types\.py"):
        spell(complex)


def test_only_fields_with_a_default_are_optional() -> None:
    assert [is_optional(each) for each, _ in wire_fields(Sample)] == [False, True]


def test_typescript_names_every_command_and_its_limits() -> None:
    text = typescript()
    assert '"chat.send": ChatSend;' in text
    assert '"chat.send": { text: 2000 },' in text
    assert "resume?: Resume | null;" in text


def test_a_command_without_an_example_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(protocol_examples.COMMANDS, "chat.send")
    with pytest.raises(BadExampleError, match=r"command without an example: chat\.send"):
        protocol_tables()


@pytest.mark.parametrize(
    "data",
    [{"text": 5}, {}, {"text": "hello", "colour": "red"}],
    ids=["type", "missing", "unknown"],
)
def test_an_example_that_is_not_of_its_type_fails(
    data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(protocol_examples.COMMANDS, "chat.send", data)
    with pytest.raises(BadExampleError, match=r"the example of chat\.send"):
        protocol_tables()


def test_permissions_show_who_may_publish_where() -> None:
    rows = {line.split("`")[1]: line for line in permissions_page().splitlines() if "| `" in line}
    assert rows["publish.camera"].endswith("| MSB | MS | MS | MSB | MSB | MSB | MSB |")
    assert rows["participant.remove"].endswith("| M | M | M | M | M | M | M |")
