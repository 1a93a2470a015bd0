"""What happens to every request: an id, its log line and measures, errors as answers,
foreign pages refused. Outermost first: ``observe``, ``explain``, ``same_origin``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from rooms.errors import Code, RoomError
from server import keys
from server.http.errors import from_http, json_error, wants_page
from server.http.headers import NONCE, new_nonce
from server.http.pages import error_page

BODY_TIMEOUT_S = 30.0
"""Longest a request that changes something may take, its body's arrival included."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: logged at debug."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger("http")


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, nonce and true remote address; log and measure it."""
    settings = request.app[keys.SETTINGS]
    request[NONCE] = new_nonce()  # before cloning: the headers' hook is given the original
    if settings.proxies:
        address = client_address(
            request.headers.getall("X-Forwarded-For", []), request.remote, settings.proxies
        )
        request = request.clone(remote=address or "")
    given = request.headers.get("X-Request-Id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_urlsafe(12)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    began = time.perf_counter()
    with structlog.contextvars.bound_contextvars(request=request_id):
        response = await handler(request)
        took_s = time.perf_counter() - began
        if not response.prepared:
            response.headers["X-Request-Id"] = request_id
        metrics = request.app[keys.METRICS]
        method = request.method if request.method in _METHODS else "other"
        metrics.requests.labels(method, route, str(response.status)).inc()
        if response.status != 101 and not route.startswith("/socket.io"):
            metrics.request_seconds.labels(route).observe(took_s)
        quiet = request.path in QUIET or route.startswith(("/static", "/socket.io"))
        (log.debug if quiet else log.info)(
            "answered",
            method=method,
            path=request.path[:256],  # without the query: it may hold what is private
            status=response.status,
            ms=round(took_s * 1000, 1),
            remote=request.remote,
        )
    return response


_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PATCH", "PUT", "DELETE"})


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what handlers raise into answers with cause and next step."""
    unhurried = request.method in SAFE or request.path.startswith("/socket.io")
    try:
        async with asyncio.timeout(None if unhurried else BODY_TIMEOUT_S) as patience:
            return await handler(request)
    except RoomError as error:
        return _answer(request, error)
    except web.HTTPException as problem:
        if problem.status < 400:
            raise
        answer = _answer(request, from_http(problem), problem.status)
        if "Allow" in problem.headers:
            answer.headers["Allow"] = problem.headers["Allow"]
        return answer
    except Exception as error:
        if isinstance(error, TimeoutError) and patience.expired():
            return _answer(request, from_http(web.HTTPRequestTimeout()), 408)
        log.exception("a handler failed", path=request.path[:256])
        return _answer(
            request,
            RoomError(
                Code.INTERNAL, "Something went wrong on our side; it has been recorded. Try again."
            ),
        )


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a foreign page makes a browser send to change something.

    A request that carries an Authorization header is not such: a browser adds
    none by itself, and asks us first (CORS) when a foreign page wants to.
    Socket.IO checks origins itself; WHIP and WHEP know bearer tokens only.
    """
    exempt = (
        request.method in SAFE
        or "Authorization" in request.headers
        or request.path.startswith(("/socket.io", "/whip/", "/whep/"))
    )
    if not exempt:
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if (origin is not None and origin not in request.app[keys.SETTINGS].origins) or (
            origin is None and site not in ("same-origin", "none")
        ):
            raise RoomError(
                Code.FORBIDDEN,
                "This request came from a page of another site. Open the venue's own page; "
                "operators: list the page's origin in YUNHAI_ORIGINS if it is yours.",
            )
    return await handler(request)


def client_address(forwarded: list[str], peer: str | None, proxies: int) -> str | None:
    """Find who is behind our proxies: each appended the address it saw, so count from the end."""
    hops = [hop.strip() for header in forwarded for hop in header.split(",")]
    if len(hops) < proxies:
        return peer
    try:
        return str(ipaddress.ip_address(hops[-proxies]))
    except ValueError:
        return peer


def _answer(request: web.Request, error: RoomError, status: int | None = None) -> web.Response:
    answer = json_error(error, status)
    if not wants_page(request):
        return answer
    page = error_page(request, answer.status)
    kept: CIMultiDict[str] = CIMultiDict(
        (name, answer.headers[name])
        for name in ("Retry-After", "WWW-Authenticate")
        if name in answer.headers
    )
    page.headers.update(kept)
    return page
