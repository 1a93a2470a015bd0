from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from server import config
from server.config import SETTINGS, SettingsError, load, masked

SECRET = "x" * 32


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environ, keep=False)
    return caught.value.problems


def test_defaults_make_a_node_of_its_own(tmp_path: Path) -> None:
    settings = load({"YUNHAI_DATA_DIR": str(tmp_path)})
    assert settings.host == "127.0.0.1"
    assert settings.public_url == "http://localhost:8080"
    assert settings.origins == ("http://localhost:8080",)
    assert settings.redis_url is None
    assert settings.database_url == f"sqlite:///{tmp_path}/yunhai.db"
    assert settings.media_port == 7882
    assert settings.media_tcp
    assert settings.media_addresses
    assert all("." in address for address in settings.media_addresses)


def test_every_field_has_a_setting_and_every_setting_a_field(tmp_path: Path) -> None:
    settings = load({"YUNHAI_DATA_DIR": str(tmp_path)})
    assert {s.name for s in SETTINGS} == set(vars(settings))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("YUNHAI_NODE", "Guang Zhou", "a node's name"),
        ("YUNHAI_HOST", "a b", "host name or an IP address"),
        ("YUNHAI_PORT", "99999", "from 0 to 65535"),
        ("YUNHAI_PORT", "80a", "from 0 to 65535"),
        ("YUNHAI_PORT", "٣", "from 0 to 65535"),
        ("YUNHAI_PORT", "9" * 5000, "from 0 to 65535"),
        ("YUNHAI_PUBLIC_URL", "gz.example.org", "http://"),
        ("YUNHAI_PUBLIC_URL", "https://gz.example.org/venue", "scheme, host and port only"),
        ("YUNHAI_PUBLIC_URL", "https://gz.example.org:99999", "ort"),
        ("YUNHAI_ORIGINS", "https://a.example,ftp://b", "http://"),
        ("YUNHAI_PROXIES", "-1", "from 0 to 9"),
        ("YUNHAI_DATABASE_URL", "mysql://u:pw@h/d", "postgresql:// or sqlite:///"),
        ("YUNHAI_REDIS_URL", "localhost:6379", "redis://"),
        ("YUNHAI_REDIS_URL", "unix://", "redis://"),
        ("YUNHAI_REDIS_PREFIX", "a:b", "letters, digits"),
        ("YUNHAI_SECRET", "short", "32 bytes"),
        ("YUNHAI_MEDIA_HOST", "localhost", "IP address"),
        ("YUNHAI_MEDIA_PORT", "-5", "from 0 to 65535"),
        ("YUNHAI_MEDIA_WORKERS", "0", "from 1 to 64"),
        ("YUNHAI_MEDIA_TCP", "no", "must be 0 or 1"),
        ("YUNHAI_MEDIA_ADDRESSES", "203.0.113.5,example.org", "IP address"),
        ("YUNHAI_TURN_URLS", "turn.example.org", "turn:"),
        ("YUNHAI_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("YUNHAI_LOG_FORMAT", "xml", "auto, console, json"),
        ("YUNHAI_SECRET_FILE", "/nonexistent/secret", "No such file"),
    ],
)
def test_bad_value_is_named_with_cause_and_what_to_write(
    variable: str, value: str, said: str, tmp_path: Path
) -> None:
    (problem,) = problems({"YUNHAI_DATA_DIR": str(tmp_path), variable: value})
    assert problem.startswith(variable + ":")
    assert said in problem
    assert len(problem) < 400


def test_every_media_worker_must_find_a_port(tmp_path: Path) -> None:
    environ = {
        "YUNHAI_DATA_DIR": str(tmp_path),
        "YUNHAI_SECRET": "x" * 32,
        "YUNHAI_MEDIA_PORT": "65534",
    }
    assert load({**environ, "YUNHAI_MEDIA_WORKERS": "2"}).media_workers == 2
    (problem,) = problems({**environ, "YUNHAI_MEDIA_WORKERS": "3"})
    assert problem.startswith("YUNHAI_MEDIA_PORT:")


def test_secrets_are_not_repeated_in_errors(tmp_path: Path) -> None:
    found = problems(
        {
            "YUNHAI_DATA_DIR": str(tmp_path),
            "YUNHAI_SECRET": "hunter2",
            "YUNHAI_REDIS_URL": "http://u:hunter2@h",
            "YUNHAI_DATABASE_URL": "mysql://u:hunter2@h/d",
        }
    )
    assert len(found) == 3
    assert "hunter2" not in "".join(found)


def test_all_problems_are_told_at_once() -> None:
    found = problems({"YUNHAI_PORT": "x", "YUNHAI_MEDIA_PORT": "y", "YUNHAI_COLOUR": "red"})
    assert [problem.split(":")[0] for problem in found] == [
        "YUNHAI_COLOUR",
        "YUNHAI_PORT",
        "YUNHAI_MEDIA_PORT",
    ]


def test_misspelled_variable_is_an_error_that_suggests_the_right_one() -> None:
    (problem,) = problems({"YUNHAI_MEDIA_PROT": "7000"})
    assert "did you mean YUNHAI_MEDIA_PORT?" in problem


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert load({"YUNHAI_DATA_DIR": str(tmp_path), "YUNHAI_REDIS_URL": ""}).redis_url is None


def test_value_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret-file"
    file.write_text(SECRET + "\n")
    environ = {"YUNHAI_DATA_DIR": str(tmp_path), "YUNHAI_SECRET_FILE": str(file)}
    assert load(environ).secret == SECRET
    (problem,) = problems({**environ, "YUNHAI_SECRET": SECRET})
    assert "keep one of them" in problem


def test_own_secret_is_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    data = tmp_path / "var"
    first = load({"YUNHAI_DATA_DIR": str(data)}).secret
    assert len(first) >= 32
    assert load({"YUNHAI_DATA_DIR": str(data)}).secret == first
    assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    load({"YUNHAI_DATA_DIR": str(tmp_path / "var")}, keep=False)
    assert not (tmp_path / "var").exists()


def test_own_secret_that_somebody_shortened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("abc")
    (problem,) = problems({"YUNHAI_DATA_DIR": str(tmp_path)})
    assert "32 bytes" in problem


def test_public_url_is_among_the_origins(tmp_path: Path) -> None:
    settings = load(
        {
            "YUNHAI_DATA_DIR": str(tmp_path),
            "YUNHAI_PUBLIC_URL": "https://gz.example.org/",
            "YUNHAI_ORIGINS": "https://sf.example.org, https://gz.example.org",
        }
    )
    assert settings.origins == ("https://gz.example.org", "https://sf.example.org")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
        ("2001:db8::7", "http://[2001:db8::7]:8080"),
    ],
)
def test_public_url_follows_the_address_listened_on(host: str, url: str, tmp_path: Path) -> None:
    assert load({"YUNHAI_DATA_DIR": str(tmp_path), "YUNHAI_HOST": host}).public_url == url


def test_media_bound_to_one_address_advertises_that_one(tmp_path: Path) -> None:
    settings = load({"YUNHAI_DATA_DIR": str(tmp_path), "YUNHAI_MEDIA_HOST": "127.0.0.1"})
    assert settings.media_addresses == ("127.0.0.1",)


def test_repr_shows_no_secret(tmp_path: Path) -> None:
    settings = load(
        {
            "YUNHAI_DATA_DIR": str(tmp_path),
            "YUNHAI_SECRET": SECRET,
            "YUNHAI_REDIS_URL": "redis://:hunter2@h",
            "YUNHAI_DATABASE_URL": "postgres://u:hunter2@h/d",
        }
    )
    assert settings.database_url == "postgresql://u:hunter2@h/d"
    assert "hunter2" not in repr(settings)
    assert SECRET not in repr(settings)


def test_masked_url_keeps_everything_but_the_password() -> None:
    assert masked("redis://ann:pw@h:6379/0") == "redis://ann:***@h:6379/0"
    assert masked("redis://:pw@h/0") == "redis://:***@h/0"
    assert masked("unix:///run/v.sock") == "unix:///run/v.sock"


def test_document_has_a_row_for_every_setting() -> None:
    rows = re.findall(r"^\| `(YUNHAI_\w+)` \|", config.markdown(), re.MULTILINE)
    assert rows == [setting.variable for setting in SETTINGS]
