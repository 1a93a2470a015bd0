"""Writes the tables of docs/protocol.md and docs/permissions.md from ``rooms``."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from rooms import commands, events, live, signals
from rooms.errors import Code
from rooms.live import Role, RoomKind
from rooms.permissions import TABLE
from tools import protocol_examples as examples
from tools.wire_types import bound, is_optional, spell, wire_classes, wire_fields


class BadExampleError(Exception):
    """An example is missing, superfluous, or not of its type."""


def protocol_tables() -> str:
    """Return every command, event, signal and type, with its fields and a literal payload.

    Raises:
        BadExampleError: tools/protocol_examples.py is not in step with rooms.
    """
    parts = ["## Commands", "Client to server. The field list is that of `data`."]
    _require_same("command", commands.COMMANDS, examples.COMMANDS)
    for name, cls in commands.COMMANDS.items():
        result_type, result = examples.RESULTS.get(name, (dict[str, object], {}))
        _require_decodes(f"result of {name}", result, result_type)
        data = examples.COMMANDS[name]
        _require_decodes(name, data, cls)
        payload = {"id": "c-17", "data": data}
        parts += _section(name, cls)
        parts += [_json(payload), "Acknowledged with", _json({"ok": result})]
    parts += [
        "## Events",
        "Server to everybody in the room, in an envelope `{epoch, seq, name, data}`.",
    ]
    _require_same("event", events.EVENTS, examples.EVENTS)
    for name, event_cls in events.EVENTS.items():
        data = examples.EVENTS[name]
        _require_decodes(name, data, event_cls)
        parts += [*_section(name, event_cls), _json(data)]
    parts += ["## Signals", "Server to one session, not numbered, as `{name, data}`."]
    _require_same("signal", signals.SIGNALS, examples.SIGNALS)
    for name, signal_cls in signals.SIGNALS.items():
        data = examples.SIGNALS[name]
        _require_decodes(name, data, signal_cls)
        parts += [*_section(name, signal_cls), _json(data)]
    parts.append("## Types")
    named = {*commands.COMMANDS.values(), *events.EVENTS.values(), *signals.SIGNALS.values()}
    for module in (live, commands, signals):
        for each in wire_classes(module):
            if each not in named:
                parts += _section(each.__name__, each)
    parts += ["## Error codes", ", ".join(f"`{code}`" for code in Code) + "."]
    return "\n\n".join(parts) + "\n"


def permissions_page() -> str:
    """Return docs/permissions.md: who may do what, in which kind of room."""
    initials = {Role.MODERATOR: "M", Role.SPEAKER: "S", Role.MEMBER: "B", Role.VIEWER: "V"}
    lines = [
        "# Permissions",
        "",
        "Generated from `rooms/permissions.py` by `make generate`: change that.",
        "",
        "M moderator, S speaker, B member, V viewer; – nobody. A member who was given the floor",
        "publishes as a speaker does. What has no row is allowed to nobody.",
        "",
        "| act | " + " | ".join(RoomKind) + " |",
        "|---|" + "---|" * len(RoomKind),
    ]
    for act, row in TABLE.items():
        cells = ["".join(initials[role] for role in Role if role in row[kind]) for kind in RoomKind]
        lines.append(f"| `{act}` | " + " | ".join(cell or "–" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _section(title: str, cls: type) -> list[str]:
    parts = [f"### {title}"]
    about = _about(cls)
    if about:
        parts.append(about)
    rows = [_row(field, hint) for field, hint in wire_fields(cls)]
    if rows:
        parts.append("\n".join(["| field | type | |", "|---|---|---|", *rows]))
    return parts


def _about(cls: type) -> str:
    """Return the class's own docstring in Markdown: its prose, then its attributes as a list."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    if text.startswith(f"{cls.__name__}("):  # what dataclass writes where nobody wrote
        return ""
    prose, _, attributes = text.replace("``", "`").partition("Attributes:")
    items: list[str] = []
    for line in attributes.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            field, _, said = line.strip().partition(": ")
            items.append(f"- `{field}`: {said}")
        elif line.strip():
            items[-1] += " " + line.strip()
    return "\n\n".join(part for part in (prose.strip(), "\n".join(items)) if part)


def _row(field: dataclasses.Field[Any], hint: Any) -> str:
    notes = []
    if (limit := bound(hint)) is not None:
        notes.append(f"at most {limit:,}".replace(",", " "))
    if is_optional(field):
        default = (
            field.default_factory()
            if field.default is dataclasses.MISSING
            and field.default_factory is not dataclasses.MISSING
            else field.default
        )
        notes.append(f"may be left out: `{json.dumps(default)}`")
    spelled = spell(hint).replace("|", "\\|")
    return f"| `{field.name}` | `{spelled}` | {'; '.join(notes)} |"


def _json(payload: object) -> str:
    text = json.dumps(payload, ensure_ascii=False, indent=2)
    return f"```json\n{text}\n```"


def _require_same(what: str, declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if missing := declared.keys() - given.keys():
        raise BadExampleError(f"{what} without an example: {', '.join(sorted(missing))}")
    if left_over := given.keys() - declared.keys():
        raise BadExampleError(f"example without a {what}: {', '.join(sorted(left_over))}")


def _require_decodes(name: str, data: object, cls: Any) -> None:
    """Decode an example as its type; what comes back must be the same, nothing ignored."""
    try:
        back = msgspec.json.decode(msgspec.json.encode(msgspec.convert(data, cls)))
    except msgspec.ValidationError as error:
        raise BadExampleError(f"the example of {name} is wrong: {error}") from error
    if back != data:
        raise BadExampleError(f"the example of {name} says {data!r}, which is read as {back!r}")
