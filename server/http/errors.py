"""Errors as HTTP answers: a code a program reads, a cause and next step a person reads.

JSON ``{"error": {"code", "message", "retry_after_s"?}}`` for programs, the error
page for browsers that asked for a page.
"""

from __future__ import annotations

import math

from aiohttp import web

from rooms.errors import Code, RoomError

STATUS: dict[Code, int] = {
    Code.BAD_COMMAND: 422,
    Code.BAD_TOKEN: 401,
    Code.BAD_SDP: 422,
    Code.NOT_JOINED: 409,
    Code.NOT_FOUND: 404,
    Code.FORBIDDEN: 403,
    Code.CONFLICT: 409,
    Code.EXISTS: 409,
    Code.ROOM_FULL: 503,
    Code.REMOVED: 403,
    Code.RATE_LIMITED: 429,
    Code.TOO_LARGE: 413,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}

_BY_STATUS = {
    400: (Code.BAD_COMMAND, "The request cannot be read. Correct it and send it again."),
    401: (Code.BAD_TOKEN, "Send a valid token in the Authorization header."),
    403: (Code.FORBIDDEN, "This is not allowed."),
    404: (Code.NOT_FOUND, "There is nothing at this address. Check it."),
    405: (Code.BAD_COMMAND, "This address does not take this method; see the Allow header."),
    408: (Code.BAD_COMMAND, "The request took too long to arrive. Send it again."),
    413: (Code.TOO_LARGE, "The request is too large. Send less."),
    415: (Code.BAD_COMMAND, "This content type is not understood here."),
    503: (Code.UNAVAILABLE, "Part of the venue is away. Try again shortly."),
}


def json_error(error: RoomError, status: int | None = None) -> web.Response:
    """Answer a program."""
    body: dict[str, object] = {"code": str(error.code), "message": error.message}
    headers = {}
    if error.retry_after_s is not None:
        body["retry_after_s"] = error.retry_after_s
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    status = status or STATUS[error.code]
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response({"error": body}, status=status, headers=headers)


def from_http(problem: web.HTTPException) -> RoomError:
    """Say what one of aiohttp's own refusals means."""
    code, message = _BY_STATUS.get(
        problem.status,
        (Code.INTERNAL, "Something went wrong on our side. Try again.")
        if problem.status >= 500
        else (Code.BAD_COMMAND, "The request cannot be understood."),
    )
    return RoomError(code, message)


def wants_page(request: web.Request) -> bool:
    """Tell whether a browser asked for something to show."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith(
        ("/api/", "/whip/", "/whep/", "/socket.io/", "/static/")
    )
