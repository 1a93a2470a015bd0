from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from tests.services import Postgres, ServiceMissingError, Valkey, running_postgres


def test_valkey_is_empty_for_each_test(valkey_server: Valkey, valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")
    valkey_server.flush()
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() == 0


@pytest.mark.postgres
def test_postgres_databases_are_separate(postgres_server: Postgres, postgres_url: str) -> None:
    other = postgres_server.create_database()
    postgres_server.sql("CREATE TABLE here (id int)", other)
    name = postgres_url.partition("?")[0].rsplit("/", 1)[1]
    assert postgres_server.sql("SELECT to_regclass('here') IS NULL", name) == "t"
    postgres_server.drop_database(other)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death signal is Linux's")
def test_valkey_dies_with_a_killed_parent() -> None:
    script = (
        "import time\n"
        "from tests.services import running_valkey\n"
        "with running_valkey() as valkey:\n"
        "    print(valkey.socket_path, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        path = Path(parent.stdout.readline().decode().strip())
        with redis.Redis(unix_socket_path=str(path)) as client:
            server = int(client.info("server")["process_id"])
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _lives(server):
        assert time.monotonic() < deadline, "Valkey outlived the process that started it"
        time.sleep(0.01)
    # A killed parent leaves its folder behind: nobody was left to remove it.
    for leftover in path.parent.iterdir():
        leftover.unlink()
    path.parent.rmdir()


def test_missing_postgres_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with (
        pytest.raises(ServiceMissingError, match="apt-get install postgresql") as caught,
        running_postgres(),
    ):
        pass
    assert "YUNHAI_TEST_WITHOUT=postgres" in str(caught.value)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] != "Z"
