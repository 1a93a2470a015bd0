"""Errors that are the caller's: each has a code a program reads and a cause a person reads."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Stable error codes; the client translates them (``error.<code>``)."""

    BAD_COMMAND = "bad_command"  # malformed, oversized or unknown command
    BAD_TOKEN = "bad_token"  # noqa: S105 - not a secret; wrong, expired or foreign token
    BAD_SDP = "bad_sdp"
    NOT_JOINED = "not_joined"
    NOT_FOUND = "not_found"  # also for what the caller may not know exists
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    EXISTS = "exists"
    ROOM_FULL = "room_full"
    REMOVED = "removed"  # a moderator removed this person
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"  # Redis, SQL or the media worker is away
    INTERNAL = "internal"


class RoomError(Exception):
    """A refusal: the command changed nothing.

    Attributes:
        code: what a program decides on.
        message: cause and next step, in English; the client shows its own
            translation of ``code`` and keeps this as detail.
        retry_after_s: seconds to wait before trying again, where waiting helps.
    """

    def __init__(self, code: Code, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
