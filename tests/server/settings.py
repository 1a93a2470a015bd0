"""Settings for tests: everything in a temporary folder, nothing from the environment."""

from __future__ import annotations

from pathlib import Path

from server.config import Settings, load

SECRET = "a-secret-for-tests-only-0123456789abcdef"


def make_settings(folder: Path, **values: str) -> Settings:
    """Read settings as a node would: ``make_settings(tmp_path, port="0")``."""
    environ = {"YUNHAI_DATA_DIR": str(folder), "YUNHAI_SECRET": SECRET, "YUNHAI_NODE": "test"}
    environ |= {f"YUNHAI_{name.upper()}": value for name, value in values.items()}
    return load(environ)
