from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tools import locales
from tools.locales import compile_json, extract, find_problems, update


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project of one page and one client file."""
    client, pages = tmp_path / "web/client/src/ui", tmp_path / "web/templates"
    client.mkdir(parents=True)
    pages.mkdir(parents=True)
    (client / "Chat.tsx").write_text(
        'export const a = t("Say \\"hello\\" to {name}", { name });\n'
        'const b = tn("{count} person", "{count} people", n);\n'
        'list.at("not a sentence"); start("nor this");\n'
    )
    (pages / "error.html").write_text('<p>{{ _("Nothing here") }}</p>')
    return tmp_path


def translate(project: Path, locale: str, pairs: dict[str, str]) -> None:
    path = project / "web/locales" / locale / "LC_MESSAGES/messages.po"
    text = path.read_text(encoding="utf-8")
    for english, other in pairs.items():
        before, found, after = text.partition(f"{english}\n")
        assert found, english
        line, empty, rest = after.partition('""')
        text = f'{before}{found}{line}"{other}"{rest}' if empty else text
    path.write_text(text, encoding="utf-8")


WHOLE = {
    'msgid "Say \\"hello\\" to {name}"': "向{name}问好",
    'msgid_plural "{count} people"': "{count}人",
    'msgid "Nothing here"': "这里什么也没有",
}


def fill(project: Path, **changed: str) -> None:
    update(project)
    for locale in ("zh_Hans", "ja"):
        translate(project, locale, WHOLE | changed)


def test_sentences_are_found_in_client_and_pages(project: Path) -> None:
    assert {message.id for message in extract(project) if message.id} == {
        'Say "hello" to {name}',
        ("{count} person", "{count} people"),
        "Nothing here",
    }


def test_the_client_translates_literal_sentences_only() -> None:
    """A sentence put together at run time would be in no catalogue."""
    call = re.compile(r"(?<![\w.$])(?<!function )tn?\(\s*[^\s\"]")
    client = locales.ROOT / "web/client/src"
    found = [
        f"{path.name}: {match[0]}"
        for path in client.rglob("*.ts*")
        for match in call.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_whole_catalogues_pass_and_reach_the_client(project: Path) -> None:
    fill(project)
    assert list(find_problems(project)) == []
    compile_json(project)
    table = json.loads((project / "web/client/src/locales/zh_Hans.json").read_text())
    assert table == {
        'Say "hello" to {name}': "向{name}问好",
        "{count} person": ["{count}人"],
        "Nothing here": "这里什么也没有",
    }
    assert json.loads((project / "web/client/src/locales/en.json").read_text()) == {}


def test_an_untranslated_sentence_fails(project: Path) -> None:
    update(project)
    translate(project, "ja", WHOLE)
    problems = list(find_problems(project))
    assert len(problems) == 3
    assert all("zh_Hans" in problem and "untranslated" in problem for problem in problems)


def test_a_new_sentence_fails_until_it_is_taken_up_and_translated(project: Path) -> None:
    fill(project)
    (project / "web/client/src/new.ts").write_text('t("Brand new")')
    assert [p for p in find_problems(project) if "ja" in p and "missing 'Brand new'" in p]
    update(project)
    assert [p for p in find_problems(project) if "ja" in p and "untranslated 'Brand new'" in p]


def test_a_sentence_that_left_the_code_fails_until_it_is_dropped(project: Path) -> None:
    fill(project)
    (project / "web/templates/error.html").write_text("")
    assert any("no longer used 'Nothing here'" in problem for problem in find_problems(project))
    update(project)
    assert list(find_problems(project)) == []


def test_a_translation_with_a_field_that_is_not_given_fails(project: Path) -> None:
    fill(project, **{'msgid "Nothing here"': "{who}不在"})
    problems = list(find_problems(project))
    assert len(problems) == 2
    assert all("placeholders differ in '{who}不在'" in problem for problem in problems)


def test_updating_keeps_translations_and_is_stable(project: Path) -> None:
    fill(project)
    path = project / "web/locales/ja/LC_MESSAGES/messages.po"
    update(project)
    once = path.read_text(encoding="utf-8")
    update(project)
    assert path.read_text(encoding="utf-8") == once
    assert "这里什么也没有" in once
