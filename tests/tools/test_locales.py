from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import locales
from tools.locales import Sentence, check, compile_for_client, sentences, update


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


def test_sentences_are_found_in_client_and_pages(project: Path) -> None:
    assert set(sentences(project)) == {
        Sentence('Say "hello" to {name}'),
        Sentence("{count} person", "{count} people"),
        Sentence("Nothing here"),
    }


@pytest.mark.parametrize("code", ["t(message)", "t(`Hello`)", "tn(one, many, 3)"])
def test_only_literal_sentences_may_be_translated(project: Path, code: str) -> None:
    (project / "web/client/src/bad.ts").write_text(f"\n{code};\n")
    with pytest.raises(ValueError, match=r"web/client/src/bad\.ts:2"):
        sentences(project)


def test_whole_catalogues_pass_and_reach_the_client(project: Path) -> None:
    update(project)
    for locale in locales.LOCALES:
        translate(project, locale, WHOLE)
    assert list(check(project)) == []
    compile_for_client(project)
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
    problems = list(check(project))
    assert len(problems) == 3
    assert "zh_Hans: not translated: 'Nothing here'" in problems


def test_a_new_sentence_fails_until_it_is_taken_up(project: Path) -> None:
    update(project)
    (project / "web/client/src/new.ts").write_text('t("Brand new")')
    assert "ja: missing (run `make locales`): 'Brand new'" in list(check(project))
    update(project)
    assert "ja: not translated: 'Brand new'" in list(check(project))


def test_a_sentence_that_left_the_code_fails_until_it_is_dropped(project: Path) -> None:
    update(project)
    (project / "web/templates/error.html").write_text("")
    assert any("no longer used" in problem for problem in check(project))
    update(project)
    assert not any("no longer used" in problem for problem in check(project))


def test_a_translation_with_a_field_that_is_not_given_fails(project: Path) -> None:
    update(project)
    for locale in locales.LOCALES:
        translate(project, locale, WHOLE | {'msgid "Nothing here"': "{who}不在"})
    assert [problem.partition(":")[2] for problem in check(project)] == [
        " names who, which is not given: 'Nothing here'"
    ] * 2


def test_updating_keeps_translations_and_is_stable(project: Path) -> None:
    update(project)
    translate(project, "ja", WHOLE)
    path = project / "web/locales/ja/LC_MESSAGES/messages.po"
    update(project)
    once = path.read_text(encoding="utf-8")
    update(project)
    assert path.read_text(encoding="utf-8") == once
    assert "这里什么也没有" in once
