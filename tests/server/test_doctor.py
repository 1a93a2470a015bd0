from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import doctor
from server.http import pages
from tests.server.http.client import make_web_folder
from tests.server.settings import SECRET


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="yunhai-test-", dir="/tmp") as made:
        yield Path(made)


def environ(folder: Path, **values: str) -> dict[str, str]:
    return {
        "YUNHAI_DATA_DIR": str(folder / "var"),
        "YUNHAI_SECRET": SECRET,
        "YUNHAI_PORT": "0",
        "YUNHAI_MEDIA_PORT": "0",
        **{f"YUNHAI_{name.upper()}": value for name, value in values.items()},
    }


@pytest.fixture(autouse=True)
def built_client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    web = make_web_folder(folder)
    monkeypatch.setattr(doctor, "Pages", lambda: pages.Pages(web))
    return web


def lines(text: str) -> dict[str, tuple[bool, str]]:
    """Map each check to whether it was well and what was said, remedy included."""
    found: dict[str, tuple[bool, str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(("ok ", "FAIL")):
            name = line.split()[1]
            found[name] = (line.startswith("ok"), line)
        else:
            found[name] = (found[name][0], found[name][1] + line)
    return found


async def test_healthy_machine_gets_a_line_for_everything(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await doctor.examine(environ(folder)) == 0
    found = lines(capsys.readouterr().out)
    assert list(found) == ["python", "settings", *doctor.CHECKS]
    assert all(well for well, _ in found.values())
    assert "Valkey 9" in found["redis"][1]
    assert "browsers are told" in found["media"][1]


async def test_every_ailment_has_its_next_step(
    folder: Path, built_client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(built_client / "static")
    (folder / "var").write_text("a file where a folder should be")
    with (
        socket.socket() as http,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
        socket.socket() as nothing,
    ):
        for taken in (http, media, nothing):
            taken.bind(("127.0.0.1", 0))
        http.listen()
        closed = nothing.getsockname()[1]
        code = await doctor.examine(
            environ(
                folder,
                port=str(http.getsockname()[1]),
                media_host="127.0.0.1",
                media_port=str(media.getsockname()[1]),
                redis_url=f"redis://ann:hunter2@127.0.0.1:{closed}/0",
                database_url=f"postgresql://ann:hunter2@127.0.0.1:{closed}/x",
            )
        )
    assert code == 1
    text = capsys.readouterr().out
    found = lines(text)
    for name, said in {
        "data": "YUNHAI_DATA_DIR",
        "sql": "YUNHAI_DATABASE_URL",
        "redis": "YUNHAI_REDIS_URL",
        "http": "YUNHAI_PORT",
        "media": "YUNHAI_MEDIA_PORT",
        "client": "make",
    }.items():
        assert not found[name][0], name
        assert said in found[name][1]
    assert found["clock"][0]
    assert "hunter2" not in text


async def test_wrong_settings_are_listed_and_nothing_else_is_tried(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await doctor.examine(environ(folder, log_level="loud", colour="red")) == 1
    text = capsys.readouterr().out
    assert "YUNHAI_LOG_LEVEL" in text
    assert "YUNHAI_COLOUR" in text
    assert not (folder / "var").exists()


async def test_clock_is_compared_with_a_shared_redis(
    folder: Path,
    valkey_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await doctor.examine(environ(folder, redis_url=valkey_url)) == 0
    assert "from Redis's" in lines(capsys.readouterr().out)["clock"][1]
    monkeypatch.setattr(doctor, "CLOCK_SLACK_S", -1.0)
    assert await doctor.examine(environ(folder, redis_url=valkey_url)) == 1
    assert "NTP" in lines(capsys.readouterr().out)["clock"][1]


async def test_the_port_of_every_media_worker_is_tried(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        told = environ(folder, media_host="127.0.0.1", media_port=str(port - 1), media_workers="2")
        assert await doctor.examine(told) == 1
    well, said = lines(capsys.readouterr().out)["media"]
    assert not well
    assert str(port) in said
    assert "YUNHAI_MEDIA_WORKERS" in said
