"""Typed keys under which the application holds its services. No logic here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from server.config import Settings
    from server.http.health import Readiness
    from server.http.metrics import Metrics
    from server.http.pages import Pages
    from server.realtime.service import Realtime
    from server.recording.recordings import Recordings
    from server.signalling.service import Signalling
    from server.store import Store

SETTINGS: web.AppKey[Settings] = web.AppKey("settings")
READINESS: web.AppKey[Readiness] = web.AppKey("readiness")
METRICS: web.AppKey[Metrics] = web.AppKey("metrics")
PAGES: web.AppKey[Pages] = web.AppKey("pages")
STORE: web.AppKey[Store] = web.AppKey("store")
REALTIME: web.AppKey[Realtime] = web.AppKey("realtime")
RECORDINGS: web.AppKey[Recordings] = web.AppKey("recordings")
SIGNALLING: web.AppKey[Signalling] = web.AppKey("signalling")
