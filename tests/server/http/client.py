"""A client of the HTTP application without the services behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from server import keys
from server.http import application
from server.http.pages import WEB, Pages
from tests.server.settings import make_settings

Client = TestClient[web.Request, web.Application]

ASSETS = ("app.css", "icon.svg", "entrance.js", "enter.js", "room.js")


def make_web_folder(folder: Path) -> Path:
    """Lay out what a build of the client leaves, beside the real templates and catalogues."""
    web_folder = folder / "web"
    static = web_folder / "static"
    static.mkdir(parents=True)
    for name in ("templates", "locales"):
        (web_folder / name).symlink_to(WEB / name)
    manifest = {}
    for name in ASSETS:
        stem, _, ending = name.rpartition(".")
        manifest[name] = f"{stem}-ABCDEFGH.{ending}"
        (static / manifest[name]).write_text(f"/* {name} */")
    (static / "manifest.json").write_text(json.dumps(manifest))
    return web_folder


@asynccontextmanager
async def http_client(
    folder: Path,
    *,
    routes: list[web.RouteDef] | None = None,
    web_folder: Path | None = None,
    services: Mapping[web.AppKey[Any], object] | None = None,
    **settings: str,
) -> AsyncIterator[Client]:
    """Serve the application on a free port of loopback."""
    app = application.build(make_settings(folder, **settings))
    app[keys.PAGES] = Pages(web_folder or make_web_folder(folder))
    for key, service in (services or {}).items():
        app[key] = service
    app.router.add_routes(routes or [])
    async with TestClient(TestServer(app, access_log=None)) as client:
        yield client
