from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.http.languages import LANGUAGES, load_catalogues
from server.http.pages import WEB
from tests.server.http.client import ASSETS, http_client

PO = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: {locale}\\n"

msgid "Entrance"
msgstr "{entrance}"
"""


@pytest.fixture
def translated(tmp_path: Path) -> Path:
    """A web folder with catalogues of its own: what is tested is the choice, not the words."""
    from tests.server.http.client import make_web_folder

    folder = make_web_folder(tmp_path / "translated")
    (folder / "locales").unlink()
    for locale, entrance in (("zh_Hans", "入口"), ("ja", "エントランス")):
        path = folder / "locales" / locale / "LC_MESSAGES" / "messages.po"
        path.parent.mkdir(parents=True)
        path.write_text(PO.format(locale=locale, entrance=entrance))
    return folder


@pytest.mark.parametrize("path", ["/", "/enter", "/rooms/hall-gz", "/rooms/a"])
async def test_page_names_only_its_own_hashed_files(tmp_path: Path, path: str) -> None:
    async with http_client(tmp_path) as client:
        answer = await client.get(path)
        text = await answer.text()
        assert answer.status == 200
        files = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert any(file.endswith(".js") for file in files)
        for file in files:
            assert file.startswith("/")
            if file.startswith("/static/"):
                assert (await client.get(file)).status == 200


async def test_scripts_carry_the_nonce_of_the_policy(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        answer = await client.get("/")
        policy = answer.headers["Content-Security-Policy"]
        nonces = set(re.findall(r'nonce="([^"]+)"', await answer.text()))
        assert len(nonces) == 1
        assert f"'nonce-{nonces.pop()}'" in policy
        again = await client.get("/")
        assert again.headers["Content-Security-Policy"] != policy


async def test_room_page_carries_the_room(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        assert 'data-room="hall-gz"' in await (await client.get("/rooms/hall-gz")).text()


@pytest.mark.parametrize(
    "path",
    [
        "/rooms/UPPER",
        "/rooms/-a",
        "/rooms/" + "a" * 64,
        "/rooms/%3Cscript%3E",
        "/rooms/a%2Fb",
        "/rooms/",
        "/nowhere",
        "/static/nothing.js",
        "/static/..%2Fpackage.json",
        "/static/%2e%2e%2ftemplates%2fbase.html",
        "/static/.hidden",
        "/static/a%00b",
    ],
)
async def test_unknown_address_is_a_404(tmp_path: Path, path: str) -> None:
    async with http_client(tmp_path) as client:
        answer = await client.get(path, headers={"Accept": "text/html"})
        assert answer.status == 404
        assert "<script>" not in await answer.text()


async def test_browser_gets_a_page_and_program_gets_json_for_the_same_404(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        page = await client.get("/nowhere", headers={"Accept": "text/html,*/*"})
        assert page.content_type == "text/html"
        assert 'data-test="error-page"' in await page.text()
        program = await client.get("/nowhere")
        assert (await program.json())["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-TW", "zh"),
        ("de,ja;q=0.5,en;q=0.4", "ja"),
        ("en;q=0.1,ja;q=0.9", "ja"),
        ("ja;q=0,en", "en"),
        ("fr,de", "en"),
        ("jam, zha", "en"),
        (";;;,q=,ja;q=x, zh;q=1", "zh"),
        ("x" * 8000, "en"),
    ],
)
async def test_language_follows_the_browser(
    tmp_path: Path, translated: Path, accept: str, language: str
) -> None:
    async with http_client(tmp_path, web_folder=translated) as client:
        answer = await client.get("/", headers={"Accept-Language": accept})
        title = {"zh": "入口", "ja": "エントランス", "en": "Entrance"}[language]
        assert f"<title>{title} ·" in await answer.text()
        assert answer.headers["Content-Language"] == language


async def test_query_beats_cookie_beats_browser_and_is_remembered(
    tmp_path: Path, translated: Path
) -> None:
    async with http_client(tmp_path, web_folder=translated) as client:
        browser = {"Accept-Language": "en"}
        answer = await client.get("/?lang=ja", headers=browser)
        assert "エントランス" in await answer.text()
        cookie = answer.cookies["lang"]
        assert (cookie.value, cookie["samesite"]) == ("ja", "Lax")
        assert "エントランス" in await (await client.get("/", headers=browser)).text()
        assert "入口" in await (await client.get("/?lang=zh", headers=browser)).text()
        assert "lang" not in (await client.get("/?lang=xx", headers=browser)).cookies


async def test_page_tells_its_language_to_screen_readers(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        for language, tag in (("zh", "zh-Hans"), ("en", "en"), ("ja", "ja")):
            text = await (await client.get(f"/?lang={language}")).text()
            assert f'<html lang="{tag}"' in text


def test_every_sentence_of_the_templates_is_translated() -> None:
    catalogues = load_catalogues(WEB / "locales")
    sentences = {
        sentence
        for template in (WEB / "templates").glob("*.html")
        for sentence in re.findall(r'_\("([^"]+)"\)', template.read_text())
    }
    assert sentences
    for language in set(LANGUAGES) - {"en"}:
        missing = {s for s in sentences if catalogues[language].gettext(s) == s}
        assert not missing, f"{language} lacks {sorted(missing)}"


async def test_hashed_file_is_kept_for_a_year_and_has_its_type(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        answer = await client.get("/static/room-ABCDEFGH.js")
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.content_type in ("text/javascript", "application/javascript")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        manifest = await client.get("/static/manifest.json")
        assert manifest.headers["Cache-Control"] == "no-cache"


async def test_page_follows_a_new_build_without_a_restart(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        assert "room-ABCDEFGH.js" in await (await client.get("/rooms/a")).text()
        manifest = tmp_path / "web" / "static" / "manifest.json"
        manifest.write_text(manifest.read_text().replace("ABCDEFGH", "ZYXWVUTS"))
        assert "room-ZYXWVUTS.js" in await (await client.get("/rooms/a")).text()


@pytest.mark.parametrize("missing", ["manifest.json", *ASSETS[:1]])
async def test_unbuilt_client_says_to_run_make(tmp_path: Path, missing: str) -> None:
    async with http_client(tmp_path) as client:
        static = tmp_path / "web" / "static"
        (static / "manifest.json").write_text("{}" if missing != "manifest.json" else "not json")
        answer = await client.get("/", headers={"Accept": "text/html"})
        assert answer.status == 503
        assert "<code>make</code>" in await answer.text()
        gone = await client.get("/nowhere", headers={"Accept": "text/html"})
        assert gone.status == 404
        favicon = await client.get("/favicon.ico", allow_redirects=False)
        assert favicon.status == 404
