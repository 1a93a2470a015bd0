"""Which language a page is in, and its sentences, from the .po files of web/locales.

The catalogues are compiled in memory at start; a sentence without translation
stays English.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("zh", "en", "ja")
COOKIE = "lang"
_CATALOGUES = {"zh": "zh_Hans", "en": "en", "ja": "ja"}


def load_catalogues(folder: Path) -> dict[str, gettext.NullTranslations]:
    """Read ``<folder>/<locale>/LC_MESSAGES/messages.po`` of each language there is."""
    found: dict[str, gettext.NullTranslations] = {}
    for language, locale in _CATALOGUES.items():
        path = folder / locale / "LC_MESSAGES" / "messages.po"
        found[language] = _compiled(path, locale) if path.exists() else gettext.NullTranslations()
    return found


def choose(request: web.Request) -> str:
    """Take the language from ``?lang``, the cookie, or what the browser prefers."""
    for named in (request.query.get("lang", ""), request.cookies.get(COOKIE, "")):
        if language := _known(named):
            return language
    for tag in _preferred(request.headers.get("Accept-Language", "")):
        if language := _known(tag):
            return language
    return "en"


def _known(tag: str) -> str | None:
    first = tag[:2].lower()
    return first if first in LANGUAGES and tag[2:3] in ("", "-", "_") else None


def _preferred(header: str) -> Iterable[str]:
    """List the tags of an Accept-Language header, best first (RFC 9110 §12.5.4)."""
    weighed = []
    for part in header[:512].split(","):
        tag, _, parameter = part.strip().partition(";")
        name, _, number = parameter.strip().partition("=")
        try:
            weight = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if weight > 0:
            weighed.append((weight, tag.strip()))
    weighed.sort(key=lambda item: -item[0])
    return [tag for _, tag in weighed]


def _compiled(path: Path, locale: str) -> gettext.GNUTranslations:
    with path.open("rb") as source:
        catalogue = read_po(source, locale=locale)
    binary = io.BytesIO()
    write_mo(binary, catalogue)
    binary.seek(0)
    return gettext.GNUTranslations(binary)
