"""Keeps the catalogues of zh, en and ja: finds every sentence, checks translations, feeds the client.

``python -m tools.locales`` writes the client's JSON from the catalogues;
``--extract`` first brings new sentences into ``web/locales`` and drops unused
ones; ``--check`` changes nothing and fails on a sentence that is missing,
untranslated, or whose placeholders differ. A sentence is its own key, so the
English catalogue may leave translations empty.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
LOCALES = ("zh_Hans", "en", "ja")
KEYWORDS: Mapping[str, tuple[int, ...] | None] = {"_": None, "t": None, "tn": (1, 2)}
SOURCES = {
    "web/templates": [("**.html", "jinja2")],
    "web/client/src": [("**.ts", "javascript"), ("**.tsx", "javascript")],
}
OPTIONS = {"**.tsx": {"jsx": "true"}}
_PLACEHOLDER = re.compile(r"\{\w+\}")


def main(arguments: list[str] | None = None) -> int:
    """Extract, check or compile; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.locales", description=__doc__)
    parser.add_argument("--extract", action="store_true", help="update the catalogues")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if incomplete")
    options = parser.parse_args(arguments)
    if options.check:
        problems = list(find_problems(ROOT))
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    if options.extract:
        update(ROOT)
    compile_json(ROOT)
    return 0


def extract(root: Path) -> Catalog:
    """Collect every sentence of the templates and the client."""
    template = Catalog(charset="utf-8")
    for folder, methods in SOURCES.items():
        found = extract_from_dir(
            str(root / folder), methods, OPTIONS, keywords=KEYWORDS, comment_tags=("i18n:",)
        )
        for name, _, message, comments, _ in found:
            template.add(message, locations=[(f"{folder}/{name}", 0)], auto_comments=comments)
    return template


def po_path(root: Path, locale: str) -> Path:
    """Say where a language's catalogue is."""
    return root / "web/locales" / locale / "LC_MESSAGES/messages.po"


def read(root: Path, locale: str) -> Catalog:
    """Read a language's catalogue; an absent one is empty."""
    path = po_path(root, locale)
    if not path.exists():
        return Catalog(locale=locale, charset="utf-8")
    with path.open("rb") as source:
        return read_po(source, locale=locale)


def update(root: Path) -> None:
    """Bring new sentences into the catalogues and drop those no longer used."""
    template = extract(root)
    for locale in LOCALES:
        catalogue = read(root, locale)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        path = po_path(root, locale)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = io.BytesIO()
        write_po(body, catalogue, width=0, sort_output=True, omit_header=True, include_lineno=False)
        path.write_text(_header(catalogue) + body.getvalue().decode(), encoding="utf-8")


def find_problems(root: Path) -> Iterator[str]:
    """List what is missing, untranslated, unused or has other placeholders than its key."""
    template = extract(root)
    for locale in LOCALES:
        catalogue = read(root, locale)
        shown = po_path(root, locale).relative_to(root)
        for wanted in _messages(template):
            message = catalogue.get(wanted.id)
            if message is None:
                yield f"{shown}: missing {_key(wanted)!r}: run `python -m tools.locales --extract`"
            elif locale != "en":
                yield from (f"{shown}: {problem}" for problem in _faults(message, catalogue))
        used = {_key(each) for each in _messages(template)}
        for message in _messages(catalogue):
            if _key(message) not in used:
                yield f"{shown}: no longer used {_key(message)!r}: run with --extract"


def compile_json(root: Path) -> None:
    """Write ``web/client/src/locales/<locale>.json``: key to sentence, or to plural forms."""
    folder = root / "web/client/src/locales"
    folder.mkdir(parents=True, exist_ok=True)
    for locale in LOCALES:
        found = {_key(each): each.string or "" for each in _messages(read(root, locale))}
        filled = {key: text for key, text in found.items() if text and any(text)}
        text = json.dumps(filled, ensure_ascii=False, indent=0, sort_keys=True) + "\n"
        path = folder / f"{locale}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _header(catalogue: Catalog) -> str:
    """Write what editors of .po files need, and no dates: a file changes when its words do."""
    fields = {
        "Project-Id-Version": "Yunhai",
        "Language": str(catalogue.locale_identifier),
        "Plural-Forms": catalogue.plural_forms,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
    }
    lines = "".join(f'"{name}: {value}\\n"\n' for name, value in fields.items())
    return f'msgid ""\nmsgstr ""\n{lines}\n'


def _messages(catalogue: Catalog) -> Iterator[Message]:
    return (message for message in catalogue if message.id)


def _key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else str(message.id[0])


def _faults(message: Message, catalogue: Catalog) -> Iterator[str]:
    said = message.string or ""
    strings = (said,) if isinstance(said, str) else tuple(said)
    wanted = 1 if isinstance(message.id, str) else catalogue.num_plurals
    if len(strings) < wanted or not all(strings[:wanted]):
        yield f"untranslated {_key(message)!r}"
        return
    keys = message.id if isinstance(message.id, str) else " ".join(message.id)
    expected = set(_PLACEHOLDER.findall(keys))
    for text in strings[:wanted]:
        if set(_PLACEHOLDER.findall(text)) != expected:
            yield f"placeholders differ in {text!r}"


if __name__ == "__main__":
    sys.exit(main())
