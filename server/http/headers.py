"""Headers that tell browsers what these pages may do: nothing foreign, nothing framed."""

from __future__ import annotations

import secrets

from aiohttp import web

from server import keys

NONCE = web.RequestKey("nonce", str)
"""Of this answer's scripts; set by the first middleware."""

PERMISSIONS = (
    "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), "
    "picture-in-picture=(self), screen-wake-lock=(self), autoplay=(self), speaker-selection=(self), "
    "geolocation=(), payment=(), usb=(), serial=(), midi=(), hid=()"
)


def new_nonce() -> str:
    return secrets.token_urlsafe(16)


def content_security_policy(nonce: str, origins: tuple[str, ...], host: str) -> str:
    """Write the policy.

    ``'self'`` covers WebSockets of the same origin only in newer browsers, so
    they are named, as are the other nodes a client may go to.
    """
    sockets = {f"ws://{host}", f"wss://{host}"}
    for origin in origins:
        sockets |= {origin, origin.replace("http", "ws", 1)}
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob: mediastream:",
            "worker-src 'self' blob:",
            f"connect-src 'self' {' '.join(sorted(sockets))}",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


async def add(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for ``on_response_prepare``: complete every answer's headers."""
    settings = request.app[keys.SETTINGS]
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", PERMISSIONS)
    headers.setdefault("Cache-Control", "no-store")
    host = request.host if _is_plain(request.host) else ""
    headers.setdefault(
        "Content-Security-Policy",
        content_security_policy(request.get(NONCE, new_nonce()), settings.origins, host),
    )
    if settings.public_url.startswith("https:"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if "Server" in headers:
        del headers["Server"]


def _is_plain(host: str) -> bool:
    """A Host header may hold anything; only a name or address with a port goes into a policy."""
    return len(host) <= 255 and all(c.isalnum() or c in ".-:[]" for c in host) and host.isascii()
