"""The pages around the client: templates, languages, and its hashed files under /static.

Every page is the same for everybody; what a person may see is decided when the
client asks with their token. Tokens never reach a page's URL but in its fragment.
"""

from __future__ import annotations

import json
import mimetypes
import re
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from rooms.ids import is_room_id
from server import keys
from server.http import languages
from server.http.headers import NONCE

WEB = Path(__file__).resolve().parents[2] / "web"
YEAR_S = 365 * 86_400
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HASHED = re.compile(r"-[A-Za-z0-9_]{8,}\.[a-z0-9.]+$")

_NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>Yunhai</title>
<h1>The room client is not built yet</h1>
<p>The server runs, but the files that browsers need are missing.
In the project's folder run <code>make</code>, then load this page again.</p>
"""

routes = web.RouteTableDef()


class NotBuiltError(Exception):
    """The client's files are missing: ``make`` builds them."""


class Pages:
    """Renders templates. Owner: the application; lifetime: the process."""

    def __init__(self, folder: Path = WEB) -> None:
        self.static = folder / "static"
        self._catalogues = languages.load_catalogues(folder / "locales")
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._manifest: dict[str, str] = {}
        self._manifest_ns = 0

    def asset(self, name: str) -> str:
        """Give the URL of a file of the client, by its name before hashing.

        Raises:
            NotBuiltError: the build has not made it.
        """
        path = self.static / "manifest.json"
        try:
            if (changed_ns := path.stat().st_mtime_ns) != self._manifest_ns:
                self._manifest = json.loads(path.read_text())
                self._manifest_ns = changed_ns
            return f"/static/{self._manifest[name]}"
        except (OSError, KeyError, ValueError):
            raise NotBuiltError(name) from None

    def render(
        self, request: web.Request, template: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        """Render a template in the viewer's language."""
        language = languages.choose(request)
        catalogue = self._catalogues[language]
        try:
            text = self._environment.get_template(template).render(
                _=catalogue.gettext,
                gettext=catalogue.gettext,
                ngettext=catalogue.ngettext,
                lang=language,
                nonce=request[NONCE],
                asset=self.asset,
                status=status,
                **context,
            )
        except NotBuiltError:
            status = 503 if status < 400 else status
            text = _NOT_BUILT
        response = web.Response(text=text, status=status, content_type="text/html")
        response.headers["Content-Language"] = language
        response.headers["Cache-Control"] = "no-store"  # the nonce is for one use
        response.headers["Vary"] = "Accept-Language, Cookie"
        if request.query.get("lang") and request.cookies.get(languages.COOKIE) != language:
            response.set_cookie(
                languages.COOKIE,
                language,
                max_age=YEAR_S,
                samesite="Lax",
                secure=request.app[keys.SETTINGS].public_url.startswith("https:"),
            )
        return response


def error_page(request: web.Request, status: int, detail: str | None = None) -> web.Response:
    """Render the page that says what went wrong and what to do."""
    return request.app[keys.PAGES].render(request, "error.html", status=status, detail=detail)


@routes.get("/")
async def entrance(request: web.Request) -> web.Response:
    return request.app[keys.PAGES].render(request, "entrance.html")


@routes.get("/enter")
async def enter(request: web.Request) -> web.Response:
    return request.app[keys.PAGES].render(request, "enter.html")


@routes.get("/rooms/{room}")
async def room(request: web.Request) -> web.Response:
    """Whether the room exists is told to those whose token opens it, when they join."""
    name = request.match_info["room"]
    if not is_room_id(name):
        raise web.HTTPNotFound
    return request.app[keys.PAGES].render(request, "room.html", room=name)


@routes.get("/favicon.ico")
async def favicon(request: web.Request) -> web.Response:
    try:
        raise web.HTTPFound(request.app[keys.PAGES].asset("icon.svg"))
    except NotBuiltError:
        raise web.HTTPNotFound from None


@routes.get("/static/{name}")
async def static(request: web.Request) -> web.StreamResponse:
    """Serve one file of the build; a hashed name never changes its content."""
    name = request.match_info["name"]
    path = request.app[keys.PAGES].static / name
    if not _FILE.fullmatch(name) or not path.is_file():
        raise web.HTTPNotFound
    lasting = f"public, max-age={YEAR_S}, immutable" if _HASHED.search(name) else "no-cache"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return web.FileResponse(path, headers={"Cache-Control": lasting, "Content-Type": kind})
