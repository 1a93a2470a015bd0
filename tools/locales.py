"""Keeps the translations whole: from the sentences in the code to the client's JSON.

English sentences are the keys. ``web/locales/<locale>/LC_MESSAGES/messages.po``
holds each other language, for pages and client alike; the server reads it as it
is, the client reads ``web/client/src/locales/<locale>.json``.

    python -m tools.locales            write the client's JSON (English has none to look up)
    python -m tools.locales --update   take new sentences of the code into the .po files, drop old ones
    python -m tools.locales --check    fail when a sentence is untranslated, left over or misfilled
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).parent.parent
LOCALES = ("zh_Hans", "ja")

_STRING = r'"((?:[^"\\\n]|\\.)*)"'
_ONE = re.compile(rf"(?<![\w.$])t\(\s*{_STRING}")
_COUNTED = re.compile(rf"(?<![\w.$])tn\(\s*{_STRING}\s*,\s*{_STRING}")
_UNREADABLE = re.compile(r"(?<![\w.$])(?<!function )tn?\(\s*[^\s\"]")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, order=True)
class Sentence:
    """A sentence in the code; ``many`` is its plural, or ""."""

    one: str
    many: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.locales", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--update", action="store_true", help="take the code's sentences into the .po files"
    )
    what.add_argument(
        "--check", action="store_true", help="fail when a translation is missing or wrong"
    )
    parsed = parser.parse_args(arguments)
    if parsed.check:
        problems = list(check(ROOT))
        print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
        return 1 if problems else 0
    if parsed.update:
        update(ROOT)
    compile_for_client(ROOT)
    return 0


def sentences(root: Path) -> dict[Sentence, list[str]]:
    """Find every sentence of the client and the pages, with the files it is in.

    Raises:
        ValueError: the client translates something that is not a literal.
    """
    found: dict[Sentence, list[str]] = {}
    for path in sorted((root / "web/client/src").rglob("*.ts*")):
        code = path.read_text(encoding="utf-8")
        if unreadable := _UNREADABLE.search(code):
            line = code.count("\n", 0, unreadable.start()) + 1
            raise ValueError(f"{path.relative_to(root)}:{line}: translate literal sentences only")
        each = [Sentence(_literal(m[1])) for m in _ONE.finditer(code)]
        each += [Sentence(_literal(m[1]), _literal(m[2])) for m in _COUNTED.finditer(code)]
        for sentence in each:
            found.setdefault(sentence, []).append(str(path.relative_to(root)))
    for path in sorted((root / "web/templates").rglob("*.html")):
        with path.open("rb") as page:
            for _line, function, said, _comments in babel_extract(
                page, ("_", "gettext", "ngettext"), (), {}
            ):
                texts = said if isinstance(said, tuple) else (said,)
                one, many = texts[0], texts[1] if function == "ngettext" else ""
                found.setdefault(Sentence(one or "", many or ""), []).append(
                    str(path.relative_to(root))
                )
    return found


def check(root: Path) -> Iterator[str]:
    """Say what is wrong with the catalogues, a line for each."""
    wanted = {sentence.one: sentence for sentence in sentences(root)}
    for locale in LOCALES:
        catalogue = _read(root, locale)
        for one in wanted.keys() - {_one(message) for message in catalogue if message.id}:
            yield f"{locale}: missing (run `make locales`): {one!r}"
        for message in catalogue:
            if not message.id:
                continue
            one = _one(message)
            if one not in wanted:
                yield f"{locale}: no longer used (run `make locales`): {one!r}"
                continue
            for text in _texts(message):
                if not text.strip() or message.fuzzy:
                    yield f"{locale}: not translated: {one!r}"
                elif unknown := set(_FIELD.findall(text)) - _fields(wanted[one]):
                    yield f"{locale}: names {', '.join(sorted(unknown))}, which is not given: {one!r}"


def update(root: Path) -> None:
    """Take new sentences into the catalogues and drop those no longer used."""
    template = Catalog(fuzzy=False)
    for sentence, files in sorted(sentences(root).items(), key=lambda item: (item[1][0], item[0])):
        key = (sentence.one, sentence.many) if sentence.many else sentence.one
        template.add(key, locations=[(name, 0) for name in sorted(set(files))])
    for locale in LOCALES:
        catalogue = _read(root, locale)
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        text = io.BytesIO()
        write_po(text, catalogue, width=0, include_lineno=False)
        path = _path(root, locale)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.getvalue())


def compile_for_client(root: Path) -> None:
    """Write the JSON that the client loads: sentence to translation, or to its plural forms."""
    folder = root / "web/client/src/locales"
    folder.mkdir(parents=True, exist_ok=True)
    for locale in ("en", *LOCALES):
        table = {} if locale == "en" else dict(_translated(_read(root, locale)))
        text = json.dumps(table, ensure_ascii=False, indent=0, sort_keys=True) + "\n"
        path = folder / f"{locale}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _translated(catalogue: Iterable[Message]) -> Iterator[tuple[str, str | list[str]]]:
    for message in catalogue:
        texts = _texts(message)
        if message.id and all(texts):
            yield _one(message), texts if isinstance(message.id, tuple) else texts[0]


def _read(root: Path, locale: str) -> Catalog:
    path = _path(root, locale)
    if not path.exists():
        return Catalog(locale=locale, project="Yunhai", fuzzy=False)
    with path.open("rb") as source:
        return read_po(source, locale=locale)


def _path(root: Path, locale: str) -> Path:
    return root / "web/locales" / locale / "LC_MESSAGES" / "messages.po"


def _one(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple | list) else message.id


def _texts(message: Message) -> list[str]:
    said = message.string
    return [text or "" for text in (said if isinstance(said, tuple | list) else (said,))]


def _fields(sentence: Sentence) -> set[str]:
    return set(_FIELD.findall(sentence.one + sentence.many)) | (
        {"count"} if sentence.many else set()
    )


def _literal(text: str) -> str:
    return str(json.loads(f'"{text}"'))


if __name__ == "__main__":
    sys.exit(main())
