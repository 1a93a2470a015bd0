"""Where a node's Unix sockets live: a private folder whose path is short enough for one."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

MAX_PATH_BYTES = 100
"""sun_path has 108 bytes on Linux and 104 on macOS, ending included."""
LONGEST_NAME_BYTES = 24
VALKEY_SOCKET = "valkey.sock"


def socket_folder(data_dir: Path) -> Path:
    """Make the folder (mode 0700) for sockets of the node that owns ``data_dir``.

    It is ``run`` inside the data folder; when that path is too long for a
    socket, a folder under the temporary folder that is named after it.

    Raises:
        OSError: it cannot be made, or somebody else owns it.
    """
    folder = data_dir.absolute() / "run"
    if len(os.fsencode(folder)) + 1 + LONGEST_NAME_BYTES > MAX_PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        folder = _temporary() / f"yunhai-{os.getuid()}-{digest}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; remove it")
    folder.chmod(0o700)
    return folder


def _temporary() -> Path:
    """Prefer /tmp: macOS gives each user a temporary folder with a long path."""
    return Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
