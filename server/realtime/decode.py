"""Commands from the wire: known, well-formed and within their bounds, or refused with a code."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from rooms.commands import COMMANDS, Command, MaxLength
from rooms.errors import Code, RoomError
from rooms.ids import Identity, RoomId, SessionId, TrackId, is_identity, is_room_id

MAX_ID = 64
"""Characters in an id that the server made."""

MAX_INT = 2**53
"""JavaScript counts no further."""

Check = Callable[[Any, str], None]


def decode_command(name: str, data: object) -> Command:
    """Read one command.

    Raises:
        RoomError: BAD_COMMAND or TOO_LARGE, naming the field.
    """
    kind: type[Any] | None = COMMANDS.get(name)
    if kind is None:
        raise _bad(f"There is no command {name[:64]!r}; reload the page.")
    if not isinstance(data, dict):
        raise _bad(f"{name}: data must be a map.")
    try:
        command: Command = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise _bad(f"{name}: {str(error)[:200]}") from None
    _CHECKS[name](command, name)
    return command


def _check(kind: type[Any]) -> Check:
    """Build what checks a dataclass's bounds, from its annotations."""
    hints = typing.get_type_hints(kind, include_extras=True)
    checks = [(f.name, _check_of(hints[f.name])) for f in dataclasses.fields(kind)]
    needed = [(name, check) for name, check in checks if check is not None]

    def check(value: Any, path: str) -> None:
        for name, inner in needed:
            inner(getattr(value, name), f"{path}.{name}")

    return check


def _check_of(hint: Any) -> Check | None:
    if hint is int:
        return _check_int
    if hint in _IDS:
        return _id_check(_IDS[hint])
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _check(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _bounded(arguments)
    if origin in (typing.Union, types.UnionType):
        inner = next((c for a in arguments if (c := _check_of(a)) is not None), None)
        return None if inner is None else lambda v, p: None if v is None else inner(v, p)
    return None


def _bounded(arguments: tuple[Any, ...]) -> Check:
    longest = next(a.value for a in arguments[1:] if isinstance(a, MaxLength))
    item = None
    if typing.get_origin(arguments[0]) is list:
        item = _check_of(typing.get_args(arguments[0])[0])

    def check(value: Any, path: str) -> None:
        if len(value) > longest:
            raise RoomError(Code.TOO_LARGE, f"{path} is longer than {longest}.")
        if item is not None:
            for index, element in enumerate(value):
                item(element, f"{path}[{index}]")

    return check


def _check_int(value: int, path: str) -> None:
    if not -MAX_INT <= value <= MAX_INT:
        raise _bad(f"{path} is not a number we count with.")


def _is_made_id(text: str) -> bool:
    return 0 < len(text) <= MAX_ID and text.isascii() and text.isprintable() and " " not in text


_IDS: dict[Any, Callable[[str], bool]] = {
    RoomId: is_room_id,
    Identity: is_identity,
    SessionId: _is_made_id,
    TrackId: _is_made_id,
}


def _id_check(spelled: Callable[[str], bool]) -> Check:
    def check(value: str, path: str) -> None:
        if not spelled(value):
            raise _bad(f"{path} is not spelled as an id.")

    return check


def _bad(message: str) -> RoomError:
    return RoomError(Code.BAD_COMMAND, message)


_CHECKS: dict[str, Check] = {name: _check(kind) for name, kind in COMMANDS.items()}
