from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from rooms.live import Role
from server import logs
from server.tokens import mint
from tests.server.settings import SECRET, make_settings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def written(tmp_path: Path) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(make_settings(tmp_path, log_format="json", log_level="debug"), stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_one_json_map_with_its_context(written: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request="r1", room="hall"):
        structlog.get_logger("x").info("joined", people=3)
    (line,) = lines(written)
    assert line["event"] == "joined"
    assert (line["request"], line["room"], line["people"]) == ("r1", "hall", 3)
    assert line["level"] == "info"
    assert line["logger"] == "x"
    assert line["timestamp"].endswith("Z")


def test_messages_of_libraries_come_in_the_same_form(written: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").warning("odd %s", "thing")
    (line,) = lines(written)
    assert (line["event"], line["logger"], line["level"]) == (
        "odd thing",
        "aiohttp.server",
        "warning",
    )


def test_neither_tokens_nor_secrets_nor_passwords_get_through(
    written: io.StringIO, tmp_path: Path
) -> None:
    token = mint(make_settings(tmp_path), identity="ann", name="Ann", role=Role.MEMBER, room="hall")
    log = structlog.get_logger("x")
    log.info("a", token=token, secret="s3cret-one", password="s3cret-two", cookie="s3cret-three")
    log.info(
        f"b {token}", path=f"/enter#token={token}", deep={"list": [token, {"authorization": token}]}
    )
    log.info("c", url="redis://ann:s3cret-four@h/0", header=f"Bearer {token}", raw=token.encode())
    log.info("d", text=f"the key is {SECRET}", sdp="a=ice-pwd:s3cret-five")
    logging.getLogger("lib").error("e %s", {"x": f"Bearer {token}"})
    try:
        raise ValueError(f"cannot read {token} with {SECRET}")
    except ValueError:
        log.exception("f")
    text = written.getvalue()
    assert len(lines(written)) == 6
    for hidden in (token, token.split(".")[2], SECRET, "s3cret"):
        assert hidden not in text
    assert "redis://ann:***@h/0" in text


def test_line_breaks_do_not_forge_entries(written: io.StringIO) -> None:
    structlog.get_logger("x").info("a\n{}", name='x\r\n{"event": "forged"}\x1b[31m\u2028')
    assert len(written.getvalue().splitlines()) == 1
    assert "\x1b" not in lines(written)[0]["name"]


def test_people_read_no_forged_lines_either(tmp_path: Path) -> None:
    stream = io.StringIO()
    logs.configure(make_settings(tmp_path, log_format="console"), stream)
    structlog.get_logger("x").info("hello", name="a\n12:00:00 [error] forged")
    assert len(stream.getvalue().splitlines()) == 1


def test_traceback_is_kept_whole(written: io.StringIO) -> None:
    try:
        raise KeyError("x")
    except KeyError:
        structlog.get_logger("x").exception("failed")
    (line,) = lines(written)
    assert "Traceback" in line["exception"]
    assert line["exception"].count("\n") >= 2


def test_level_leaves_out_what_is_less_grave(tmp_path: Path) -> None:
    stream = io.StringIO()
    settings = replace(make_settings(tmp_path, log_format="json"), log_level="warning")
    logs.configure(settings, stream)
    structlog.get_logger("x").info("no")
    logging.getLogger("lib").info("no")
    structlog.get_logger("x").warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_cyclic_value_ends(written: io.StringIO) -> None:
    loop: list[Any] = []
    loop.append(loop)
    structlog.get_logger("x").info("odd", value=loop)
    assert len(lines(written)) == 1
