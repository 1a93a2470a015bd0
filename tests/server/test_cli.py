from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rooms.ids import RoomId
from rooms.live import Role, Source
from server import cli, config
from server.tokens import verify
from tests.server.settings import SECRET, make_settings

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m server`` with these settings and no others."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("YUNHAI_")}
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env={**kept, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process's environment, for commands run within it."""
    for variable in [v for v in os.environ if v.startswith("YUNHAI_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("YUNHAI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("YUNHAI_SECRET", SECRET)
    return tmp_path


@pytest.mark.parametrize("command", [[], ["serve"], ["token"], ["doctor"], ["settings"]])
def test_help_of_every_command_reads_in_a_terminal(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "usage: python -m server" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("server.cli", {"asyncio", "jwt", "structlog", "aiohttp", "sqlalchemy"}),
        ("server.demo.cli", {"jwt", "aiohttp", "sqlalchemy", "av"}),
        ("server.signalling.nursery", {"aiohttp", "sqlalchemy", "redis", "socketio"}),
        ("server.app", {"alembic", "mako", "av", "sqlalchemy.dialects.postgresql"}),
        ("media.__main__", {"structlog", "aiortc", "av"}),
    ],
)
def test_what_must_start_at_once_imports_nothing_heavy(module: str, heavy: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not heavy & set(done.stdout.split())


def test_no_command_shows_what_there_is() -> None:
    done = run()
    assert done.returncode == 2
    assert "COMMAND" in done.stderr


def test_serve_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    text = capsys.readouterr().out
    assert all(setting.variable in text for setting in config.SETTINGS)


def test_token_command_prints_one_token_that_opens_the_room(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--room",
        "hall-gz",
        "--publish",
        "--subscribe",
        "--name",
        "安娜",
        "--role",
        "speaker",
    ]
    assert cli.main(["token", *arguments, "--city", "tokyo", "--sources", "camera"]) == 0
    token = capsys.readouterr().out.strip()
    grant = verify(make_settings(environment), token)
    assert grant.opens(RoomId("hall-gz"))
    assert (grant.name, grant.role, grant.city) == ("安娜", Role.SPEAKER, "tokyo")
    assert (grant.may_publish, grant.may_subscribe, grant.may_create) == (True, True, False)
    assert grant.sources == frozenset({Source.CAMERA})
    assert not grant.recordable
    assert cli.main(["token", *arguments, "--recordable"]) == 0
    assert verify(make_settings(environment), capsys.readouterr().out.strip()).recordable


def test_token_without_flags_neither_sends_nor_receives(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["token", "--room", "a"])
    grant = verify(make_settings(environment), capsys.readouterr().out.strip())
    assert not grant.may_publish
    assert not grant.may_subscribe


def test_operator_token_opens_and_makes_every_room(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["token", "--any-room", "--role", "moderator", "--identity", "op"]) == 0
    grant = verify(make_settings(environment), capsys.readouterr().out.strip())
    assert grant.any_room
    assert grant.may_create
    assert grant.identity == "op"


def test_two_guests_of_one_name_are_two_people(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["token", "--room", "a", "--name", "Guest"])
    cli.main(["token", "--room", "a", "--name", "Guest"])
    one, two = capsys.readouterr().out.split()
    settings = make_settings(environment)
    assert verify(settings, one).identity != verify(settings, two).identity


def test_link_keeps_the_token_in_the_fragment(
    environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["token", "--room", "a", "--link"])
    link = capsys.readouterr().out.strip()
    assert link.startswith("http://localhost:8080/enter?next=/rooms/a#token=ey")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--room"),
        (["--room", "a", "--any-room"], "not allowed with"),
        (["--room", "No Room"], "room"),
        (["--room", "a", "--role", "king"], "king"),
        (["--room", "a", "--ttl", "soon"], "write a number"),
        (["--room", "a", "--ttl", "0s"], "lives from"),
        (["--room", "a", "--ttl", "91d"], "90 days"),
        (["--room", "a", "--name", "x" * 65], "name"),
        (["--room", "a", "--identity", "a b"], "subject"),
        (["--room", "a", "--sources", "nose"], "choose among"),
    ],
)
def test_token_command_says_what_is_wrong(
    environment: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["token", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_check_config_shows_the_settings_without_their_secrets(tmp_path: Path) -> None:
    done = run(
        "serve",
        "--check-config",
        YUNHAI_DATA_DIR=str(tmp_path / "var"),
        YUNHAI_SECRET=SECRET,
        YUNHAI_REDIS_URL="redis://ann:hunter2@redis.example/0",
        YUNHAI_DATABASE_URL="postgresql://ann:hunter2@db.example/yunhai",
    )
    assert done.returncode == 0, done.stderr
    assert "postgresql://ann:***@db.example/yunhai" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "var").exists()


def test_bad_settings_are_listed_together_with_exit_code_2(tmp_path: Path) -> None:
    for command in (["serve", "--check-config"], ["serve"], ["token", "--room", "a"]):
        done = run(
            *command,
            YUNHAI_DATA_DIR=str(tmp_path / "var"),
            YUNHAI_PORT="http",
            YUNHAI_MEDIA_PROT="7882",
            YUNHAI_SECRET="short",
        )
        assert done.returncode == 2
        assert "YUNHAI_PORT: 'http' cannot be used" in done.stderr
        assert "did you mean YUNHAI_MEDIA_PORT?" in done.stderr
        assert "32 bytes" in done.stderr
        assert "Traceback" not in done.stderr


def test_settings_document_is_up_to_date() -> None:
    document = ROOT / "docs" / "configuration.md"
    assert document.read_text() == config.markdown(), (
        "run: python -m server settings --markdown > docs/configuration.md"
    )


def test_settings_command_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["settings", "--markdown"]) == 0
    assert capsys.readouterr().out == config.markdown()
    assert cli.main(["settings"]) == 0
    assert "YUNHAI_MEDIA_PORT" in capsys.readouterr().out
