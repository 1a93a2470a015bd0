"""``/healthz``: the process answers. ``/readyz``: send people here, or not, and why.

Nothing is cached: a probe asks each part for a sign of life, all at once. Causes
name addresses of the inside: the log and callers on this machine are told them,
everybody else which parts are away.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from server import keys

PROBE_TIMEOUT_S = 2.0

AWAY = "away"

log = structlog.get_logger(__name__)

Probe = Callable[[], Awaitable[object]]
"""Returns when the part lives; raises with a cause when not."""


class Readiness:
    """What must live for this node to serve people. Owner: the application.

    Attributes:
        draining: set once, when the node begins to stop.
    """

    def __init__(self) -> None:
        self.draining = False
        self._probes: dict[str, Probe] = {}
        self._away: set[str] = set()

    def require(self, part: str, probe: Probe) -> None:
        """Ask ``probe`` whether ``part`` lives, at every ``/readyz``."""
        self._probes[part] = probe

    async def report(self) -> dict[str, str]:
        """Ask every part; the value is ``ok`` or the cause in a sentence."""
        answers = await asyncio.gather(*(self._ask(p, probe) for p, probe in self._probes.items()))
        report = dict(zip(self._probes, answers, strict=True))
        for part, answer in report.items():
            if answer == "ok" and part in self._away:
                self._away.remove(part)
                log.info("a part is back", part=part)
            elif answer != "ok" and part not in self._away:
                self._away.add(part)
                log.warning("a part is away", part=part, cause=answer)
        if self.draining:
            report["node"] = "This node is stopping and takes nobody new."
        return report

    async def _ask(self, part: str, probe: Probe) -> str:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await probe()
        except TimeoutError:
            return f"No answer within {PROBE_TIMEOUT_S:.0f} s."
        except Exception as error:
            return str(error) or type(error).__name__
        return "ok"


async def healthz(request: web.Request) -> web.Response:
    """``GET /healthz``."""
    return web.json_response({"status": "ok", "node": request.app[keys.SETTINGS].node})


async def readyz(request: web.Request) -> web.Response:
    """``GET /readyz``: 200, or 503 with the parts that are away."""
    report = await request.app[keys.READINESS].report()
    ready = all(answer == "ok" for answer in report.values())
    if not _on_this_machine(request):
        report = {part: answer if answer == "ok" else AWAY for part, answer in report.items()}
    body = {"ready": ready, "node": request.app[keys.SETTINGS].node, "parts": report}
    return web.json_response(body, status=200 if ready else 503)


def _on_this_machine(request: web.Request) -> bool:
    """Tell whether the caller is here, and not behind a proxy here that we were not told of."""
    if request.app[keys.SETTINGS].proxies == 0 and "X-Forwarded-For" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
