"""What WHIP (RFC 9725) and WHEP have in common over HTTP: CORS, bodies, and their session URLs.

Handlers parse, call signalling, render. Every refusal says why in a JSON body and
can be read by a page of any origin: access is by bearer token, never by cookie.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from rooms.errors import Code, RoomError
from rooms.ids import RoomId, is_room_id
from server import keys
from server.http.errors import json_error
from server.http.rooms_api import grant_of
from server.signalling import fragment
from server.signalling.endpoints import Endpoint, Endpoints
from server.tokens import Grant
from server.turn import ice_servers

SDP = "application/sdp"
MAX_SDP_BYTES = 65_536

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, Link, ETag, Retry-After, Accept-Post, Accept-Patch",
}


class RefusedError(Exception):
    """A refusal whose status no error code has."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = RoomError(Code.BAD_COMMAND, message)


def open_to_pages(handler: Handler) -> Handler:
    """Add the CORS headers to a handler's answers and refusals."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except RoomError as error:
            response = json_error(error)
        except RefusedError as refused:
            response = json_error(refused.error, refused.status)
        response.headers.update(_CORS)
        return response

    return answer


def room_of(request: web.Request) -> RoomId:
    """Take the room out of the path.

    Raises:
        RoomError: NOT_FOUND, it is not spelled as one.
    """
    name = request.match_info["room"]
    if not is_room_id(name):
        raise RoomError(Code.NOT_FOUND, "There is no such room. Check the address.")
    return RoomId(name)


async def read_body(request: web.Request, content_type: str, limit_bytes: int) -> str:
    """Read a text body of that type, no larger than allowed.

    Raises:
        RefusedError: 415 for another type or an encoded body.
        RoomError: TOO_LARGE, or BAD_SDP when it is empty or not UTF-8.
    """
    if request.content_type != content_type or "Content-Encoding" in request.headers:
        raise RefusedError(415, f"Send the body as {content_type}, not compressed.")
    too_large = RoomError(Code.TOO_LARGE, f"The body is larger than {limit_bytes} bytes.")
    if (request.content_length or 0) > limit_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.content.iter_chunked(16_384):
        body += chunk
        if len(body) > limit_bytes:
            raise too_large
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise RoomError(Code.BAD_SDP, "The body is not text in UTF-8.") from None
    if not text.strip():
        raise RoomError(Code.BAD_SDP, "The body is empty: an SDP offer was expected.")
    return text


def created(request: web.Request, grant: Grant, kind: str, endpoint: Endpoint) -> web.Response:
    """Answer 201 with the SDP answer and the session's URL (a path: OBS drops a query)."""
    response = web.Response(status=201, body=endpoint.answer.encode(), content_type=SDP)
    response.headers["Location"] = f"/{kind}/sessions/{endpoint.id}"
    response.headers["ETag"] = f'"{endpoint.etag}"'
    response.headers["Accept-Patch"] = fragment.CONTENT_TYPE
    for server in ice_servers(
        request.app[keys.SETTINGS], grant.identity, now_s=time.time_ns() // 1_000_000_000
    ):
        response.headers.add("Link", server.link())
    return response


async def describe(request: web.Request) -> web.Response:
    """``HEAD``: this is where SDP offers are posted."""
    return web.Response(headers={"Content-Type": SDP, "Accept-Post": SDP})


async def preflight(request: web.Request) -> web.Response:
    """``OPTIONS``."""
    return web.Response(
        headers={
            "Accept-Post": SDP,
            "Accept-Patch": fragment.CONTENT_TYPE,
            "Access-Control-Allow-Methods": "POST, PATCH, DELETE, HEAD, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
            "Access-Control-Max-Age": "86400",
        }
    )


async def patch(request: web.Request, endpoints: Endpoints) -> web.Response:
    """``PATCH`` of a session: candidates (204, we need none) or an ICE restart (200).

    Raises:
        RefusedError: 412, 415, 422 or 428.
        RoomError: BAD_TOKEN, NOT_FOUND, FORBIDDEN, TOO_LARGE, RATE_LIMITED or UNAVAILABLE.
    """
    endpoint = endpoints.find(request.match_info["session"], grant_of(request))
    endpoints.require_patch(endpoint)
    text = await read_body(request, fragment.CONTENT_TYPE, fragment.MAX_FRAGMENT_BYTES)
    header = request.headers.getall("If-Match", [])
    if not header:
        raise RefusedError(428, 'Send If-Match with the session\'s ETag, or "*" to restart ICE.')
    tags = {tag.strip() for tag in ",".join(header).split(",")}
    if not tags & {"*", '"*"', f'"{endpoint.etag}"'}:
        raise RefusedError(412, "The ICE session was restarted meanwhile: use its new ETag.")
    try:
        remote = fragment.parse(text)
    except fragment.FragmentError as error:
        raise RefusedError(422, str(error)) from None
    if not remote.ufrag or remote == endpoint.remote:
        return web.Response(status=204)
    ours = await endpoints.restart(endpoint, remote)
    response = web.Response(body=ours.encode(), content_type=fragment.CONTENT_TYPE)
    response.headers["ETag"] = f'"{endpoint.etag}"'
    return response


async def delete(request: web.Request, endpoints: Endpoints) -> web.Response:
    """``DELETE`` of a session: it ends; 200, since OBS takes 204 for a failure.

    Raises:
        RoomError: BAD_TOKEN, NOT_FOUND or FORBIDDEN.
    """
    endpoint = endpoints.find(request.match_info["session"], grant_of(request))
    await endpoint.session.close("left")
    return web.Response()
