"""Logs: one stream on standard error, for people in a terminal and as JSON lines otherwise.

``get_logger`` everywhere; ``bind_contextvars`` adds request, room and session to
every line below it. Secrets, tokens and passwords never get through, whoever
logs them; nor do line breaks that would forge a second entry.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.config import Settings

HIDDEN = "***"
_SECRET_KEYS = re.compile(
    r"(^|_)(token|secret|password|authorization|cookie|credential|pwd|api_key|private_key|[rt]x_key)s?$",
    re.IGNORECASE,
)
_JWT = re.compile(r"eyJ[\w-]{8,4096}\.[\w-]{2,4096}\.[\w-]{0,512}")
_BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{1,4096}")
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]{0,256}):[^\s/@]{1,256}@")
_ICE_PASSWORD = re.compile(r"(?<=a=ice-pwd:)\S{1,256}")
_CONTROLS = {i: f"\\x{i:02x}" for i in (*range(32), 127, 0x85, 0x2028, 0x2029) if i != 9}
_MAX_DEPTH = 6


class Redactor:
    """A structlog processor that hides what must not be written down."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        trace = event.pop("exception", None)
        clean: EventDict = {key: self._clean(key, value, 0) for key, value in event.items()}
        if isinstance(trace, str):
            clean["exception"] = "\n".join(self._text(line) for line in trace.splitlines())
        return clean

    def _clean(self, key: str, value: Any, depth: int) -> Any:
        if _SECRET_KEYS.search(key) and value:
            return HIDDEN
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth < _MAX_DEPTH and isinstance(value, dict):
            return {str(k): self._clean(str(k), v, depth + 1) for k, v in value.items()}
        if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", item, depth + 1) for item in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _JWT.sub(HIDDEN, text)
        text = _BEARER.sub(f"Bearer {HIDDEN}", text)
        text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
        text = _ICE_PASSWORD.sub(HIDDEN, text)
        return text.translate(_CONTROLS)


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send our logs and those of libraries to ``stream`` (standard error)."""
    stream = stream or sys.stderr
    for_people = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    redactor = Redactor((settings.secret, settings.turn_secret or ""))
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=()),
        structlog.processors.TimeStamper(
            fmt="%H:%M:%S" if for_people else "iso", utc=not for_people
        ),
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redactor,
    ]
    if for_people:
        last.append(structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0))
    else:
        last.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=last)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in (
        "aiosqlite",
        "alembic",
        "asyncio",
        "aioice",
        "engineio",
        "socketio",
        "sqlalchemy",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=False,
    )


def hush() -> None:
    """Let only errors through, for a command that prints its own findings."""
    logging.getLogger().setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
