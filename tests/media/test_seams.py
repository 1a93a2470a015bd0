"""The private names of other packages we lean on. If one of these fails, the package has moved:
look up the new name, change media/srtp.py, and only then the version pinned."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pylibsrtp

from media import srtp

ROOT = Path(__file__).parents[2]


def test_pylibsrtp_still_shows_its_binding() -> None:
    for name in (
        "srtp_protect",
        "srtp_protect_rtcp",
        "srtp_unprotect",
        "srtp_unprotect_rtcp",
        "srtp_remove_stream",
    ):
        assert hasattr(pylibsrtp.lib, name), (
            f"media/srtp.py calls {name} of pylibsrtp's binding on its own memory"
        )
    assert hasattr(pylibsrtp.Session(), "_srtp"), (
        "media/srtp.py takes the srtp_t pointer from Session._srtp[0]"
    )


def test_libsrtp_status_numbers_mean_what_we_count_them_as() -> None:
    assert pylibsrtp.ERRORS[srtp.AUTH_FAILED] == "authentication failure"
    assert all("replay" in pylibsrtp.ERRORS[status] for status in srtp.REPLAYED)


def test_versions_are_pinned() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for package in ("aioice", "pylibsrtp"):
        assert f'"{package}=={version(package)}"' in project


def test_no_other_module_touches_these_packages() -> None:
    allowed = {
        "dtls.py": "OpenSSL",
        "srtp.py": "pylibsrtp",
        "stun.py": "aioice",
    }
    for path in (ROOT / "media").rglob("*.py"):
        for found in re.findall(
            r"^(?:from|import) (aiortc|aioice|pylibsrtp|OpenSSL)", path.read_text(), re.MULTILINE
        ):
            assert re.fullmatch(allowed.get(path.name, "none"), found), (
                f"{path.name} imports {found}: keep it behind media/dtls.py, srtp.py and stun.py"
            )
