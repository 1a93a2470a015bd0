"""Settings of one node, read once from ``YUNHAI_*`` environment variables.

``SETTINGS`` is the one list from which the reader, ``--help``, the errors and
docs/configuration.md come. Any variable may instead name a file that holds its
value, with ``_FILE`` appended. A wrong value or an unknown variable is an error;
all of them are reported together.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rooms.ids import NodeId

PREFIX = "YUNHAI_"
SECRET_MIN_BYTES = 32
"""HS256 wants a key at least as long as its output (RFC 7518 §3.2)."""


class SettingsError(Exception):
    """The environment cannot be used; ``problems`` holds one sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a node is told from outside; each field is one entry of ``SETTINGS``.

    Attributes:
        public_url: where people reach this node, without trailing slash.
        redis_url: None means the node runs a Valkey of its own.
        origins: web origins whose pages may act here; the public URL's is among them.
        media_tcp: media is taken by TCP too, on the same port number.
        voices, voices_above: how many are passed on in rooms with more than so many; 0: all.
        media_addresses: IP addresses written into ICE candidates.
        recording_days: 0 keeps recordings for ever.
        proxies: reverse proxies in front, each of which appends to X-Forwarded-For.
    """

    node: NodeId
    host: str
    port: int
    public_url: str
    origins: tuple[str, ...]
    proxies: int
    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    redis_prefix: str
    secret: str = field(repr=False)
    media_host: str
    media_port: int
    media_workers: int
    media_tcp: bool
    voices: int
    voices_above: int
    media_addresses: tuple[str, ...]
    native: bool
    recording_days: int
    turn_urls: tuple[str, ...]
    turn_secret: str | None = field(repr=False)
    log_level: str
    log_format: str


@dataclass(frozen=True)
class Setting:
    """One variable: how it is spelled, read, defaulted and explained.

    Attributes:
        name: the field of ``Settings``; the variable is ``YUNHAI_`` and its capitals.
        kind: what a value is, in a word or two, for tables and errors.
        default: as a person reads it; ``fallback`` computes it.
        parse: text to value; raises ValueError with a clause that follows "because".
        fallback: value when unset, from the values read so far.
    """

    name: str
    kind: str
    default: str
    sentence: str
    parse: Callable[[str], Any]
    fallback: Callable[[dict[str, Any]], Any]
    secret: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


def _node(text: str) -> NodeId:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", text):
        raise ValueError("a node's name is 1 to 32 of a-z, 0-9 and -, such as gz")
    return NodeId(text)


def _own_name(_: dict[str, Any]) -> NodeId:
    slug = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:32].strip("-")
    return NodeId(slug or "node")


def _host(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z.:-]{1,253}", text):
        raise ValueError("it must be a host name or an IP address, such as 0.0.0.0")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address such as 203.0.113.5") from None


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("it must be 0 or 1")
    return text == "1"


def _url(*schemes: str) -> Callable[[str], str]:
    listed = " or ".join(f"{scheme}://" for scheme in schemes)

    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
            raise ValueError(f"it must be a URL beginning with {listed}")
        _ = parts.port  # raises ValueError when out of range
        return text

    return parse


def _public_url(text: str) -> str:
    parts = urlsplit(_url("http", "https")(text))
    if parts.path.strip("/") or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("it must be scheme, host and port only, such as https://gz.example.org")
    return f"{parts.scheme}://{parts.netloc}"


def _database_url(text: str) -> str:
    text = re.sub(r"^postgres(ql)?(\+asyncpg)?://", "postgresql://", text)
    if not text.startswith(("postgresql://", "sqlite:///")):
        raise ValueError("it must begin with postgresql:// or sqlite:///")
    return text


def _many(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def parse_all(text: str) -> tuple[str, ...]:
        return tuple(parse(part.strip()) for part in text.split(",") if part.strip())

    return parse_all


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text.lower()

    return parse


def _secret(text: str) -> str:
    if len(text.encode()) < SECRET_MIN_BYTES:
        raise ValueError(
            f"a secret shorter than {SECRET_MIN_BYTES} bytes can be guessed; "
            "make one with: openssl rand -base64 48"
        )
    return text


def _turn_url(text: str) -> str:
    if not re.fullmatch(r"(stun|turns?):[0-9A-Za-z.:\[\]-]+(\?transport=(udp|tcp))?", text):
        raise ValueError(f"{text!r} is not like turn:turn.example.org:3478?transport=udp")
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,32}", text):
        raise ValueError("it must be 1 to 32 letters, digits, _ or -")
    return text


def _own_url(values: dict[str, Any]) -> str:
    host, port = values.get("host", "127.0.0.1"), values.get("port", 8080)
    if host in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _own_origins(values: dict[str, Any]) -> tuple[str, ...]:
    return (values.get("public_url", ""),)


def _media_addresses(values: dict[str, Any]) -> tuple[str, ...]:
    """What the media port can be reached at: the address it is bound to, or all of that family."""
    bound = ipaddress.ip_address(values.get("media_host", "0.0.0.0"))  # noqa: S104
    if not bound.is_unspecified:
        return (str(bound),)
    found = own_addresses()
    if bound.version == 6:
        return found
    return tuple(a for a in found if "." in a) or ("127.0.0.1",)


def own_addresses() -> tuple[str, ...]:
    """List this machine's addresses that others may reach, else its loopback address."""
    import ifaddr  # starts a program to find libc: not for those who give their addresses

    found = [
        ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]
    outward = [a for a in found if not (a.is_loopback or a.is_link_local or a.is_multicast)]
    outward.sort(key=lambda address: address.version)
    return tuple(dict.fromkeys(str(a) for a in outward)) or ("127.0.0.1",)


def _cores(_: dict[str, Any]) -> int:
    """Count the cores this process may use."""
    usable = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return min(64, len(usable))


def _own_database(values: dict[str, Any]) -> str:
    return f"sqlite:///{Path(values.get('data_dir', 'var')).absolute() / 'yunhai.db'}"


SETTINGS: tuple[Setting, ...] = (
    Setting("node", "name", "the machine's name", "Name of this node, unique among the nodes that share a Redis.", _node, _own_name),
    Setting("host", "address", "127.0.0.1", "Address to listen on for HTTP; 0.0.0.0 for every interface.", _host, lambda _: "127.0.0.1"),
    Setting("port", "port", "8080", "TCP port to listen on for HTTP; 0 takes a free one.", _between(0, 65535), lambda _: 8080),
    Setting("public_url", "URL", "http://localhost and the port", "Where browsers reach this node: scheme, host and port as seen from outside.", _public_url, _own_url),
    Setting("origins", "URLs", "the public URL", "Further web origins, separated by commas, whose pages may act on this node (the other nodes' public URLs).", _many(_public_url), lambda _: ()),
    Setting("proxies", "number", "0", "How many reverse proxies stand in front and append to X-Forwarded-For.", _between(0, 9), lambda _: 0),
    Setting("data_dir", "folder", "./var", "Folder for the database, the secret and the sockets of this node.", lambda text: Path(text).absolute(), lambda _: Path("var").absolute()),
    Setting("database_url", "URL", "SQLite in the data folder", "Where rooms and chat are kept: postgresql://user:password@host/name, or sqlite:////folder/file.db.", _database_url, _own_database, secret=True),
    Setting("redis_url", "URL", "a Valkey of the node's own", "Redis 7 or Valkey shared by all nodes: redis://, rediss:// or unix:///path.", _url("redis", "rediss", "unix"), lambda _: None, secret=True),
    Setting("redis_prefix", "word", "yunhai", "First word of every Redis key and channel, so that two conventions can share one Redis.", _prefix, lambda _: "yunhai"),
    Setting("secret", "secret", "made once, kept in the data folder", "Key that signs entry tokens, at least 32 bytes, the same on all nodes.", _secret, lambda _: None, secret=True),
    Setting("media_host", "address", "0.0.0.0", "Address the media port is bound to.", _address, lambda _: "0.0.0.0"),  # noqa: S104
    Setting("media_port", "port", "7882", "Port for all sound and picture, UDP and TCP, of the first media worker; each further one takes the next number. 0 takes free ones. Open them in the firewall.", _between(0, 65535), lambda _: 7882),
    Setting("media_workers", "number", "one for each core", "Most media workers this node runs, each on a port of its own and at most one core. They start when rooms need them.", _between(1, 64), _cores),
    Setting("media_tcp", "0 or 1", "1", "Whether networks that block UDP may send and receive media by TCP, on the same port number.", _switch, lambda _: True),
    Setting("media_addresses", "addresses", "this machine's", "IP addresses, separated by commas, that browsers send media to; the public one behind NAT.", _many(_address), _media_addresses),
    Setting("voices", "number", "6", "How many voices are passed on in rooms with many open microphones: the loudest, besides the stage, who has the floor and the sound of screens. 0 passes all on.", _between(0, 64), lambda _: 6),
    Setting("voices_above", "number", "8", "Rooms with more open microphones than this pass on only the loudest.", _between(1, 1000), lambda _: 8),
    Setting("native", "0 or 1", "1", "1 compiles a small part of the media worker where a C compiler is (kept in the data folder); 0 leaves all to Python.", _switch, lambda _: True),
    Setting("recording_days", "number", "0: for ever", "How many days a recording is kept after its end; then its node deletes it, files and all.", _between(0, 36500), lambda _: 0),
    Setting("turn_urls", "URLs", "none", "STUN and TURN servers, separated by commas, for networks that block UDP: turn:host:3478?transport=tcp.", _many(_turn_url), lambda _: ()),
    Setting("turn_secret", "secret", "none", "Secret shared with the TURN server (coturn's static-auth-secret), for short-lived credentials.", _secret, lambda _: None, secret=True),
    Setting("log_level", "word", "info", "Least grave messages to log: debug, info, warning or error.", _one_of("debug", "info", "warning", "error"), lambda _: "info"),
    Setting("log_format", "word", "auto", "auto, console or json; auto writes for people in a terminal and JSON otherwise.", _one_of("auto", "console", "json"), lambda _: "auto"),
)  # fmt: skip


def load(environ: Mapping[str, str], *, keep: bool = True) -> Settings:
    """Read the settings.

    Args:
        environ: usually ``os.environ``.
        keep: write a newly made secret into the data folder; False leaves no trace.

    Raises:
        SettingsError: naming every variable that is wrong, why, and what to do.
    """
    problems = _unknown(environ)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        try:
            text = _text(environ, setting)
            values[setting.name] = setting.fallback(values) if text is None else setting.parse(text)
        except ValueError as error:
            problems.append(f"{setting.variable}: {_shown(environ, setting)}{error}")
        except OSError as error:
            problems.append(f"{setting.variable}_FILE: {error.strerror}: {error.filename}")
    if values.get("turn_secret") and not values.get("turn_urls"):
        problems.append(f"{PREFIX}TURN_SECRET: set without {PREFIX}TURN_URLS; name the servers too")
    if not problems and values["media_port"] + values["media_workers"] > 65536:
        problems.append(
            f"{PREFIX}MEDIA_PORT: no room above it for {values['media_workers']} workers' ports"
        )
    if not problems and values["secret"] is None:
        try:
            values["secret"] = own_secret(values["data_dir"], keep=keep)
        except (OSError, ValueError) as error:
            problems.append(f"{PREFIX}DATA_DIR: cannot keep a secret there: {error}")
    if problems:
        raise SettingsError(problems)
    values["origins"] = tuple(dict.fromkeys((values["public_url"], *values["origins"])))
    return Settings(**values)


def own_secret(data_dir: Path, *, keep: bool) -> str:
    """Read the node's own secret, making it on first use (mode 0600)."""
    path = data_dir / "secret"
    if path.exists():
        return _secret(path.read_text().strip())
    made = secrets.token_urlsafe(48)
    if keep:
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f".secret.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(made + "\n")
        try:
            os.link(draft, path)  # whoever links first wins; nobody reads half a file
        except FileExistsError:
            return _secret(path.read_text().strip())
        finally:
            draft.unlink()
    return made


def masked(url: str) -> str:
    """Write a URL without its password, for messages and logs."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


def _text(environ: Mapping[str, str], setting: Setting) -> str | None:
    text, path = environ.get(setting.variable), environ.get(setting.variable + "_FILE")
    if text and path:
        raise ValueError(f"{setting.variable}_FILE is set too; keep one of them")
    if path:
        text = Path(path).read_text().strip()
        if not text:
            raise ValueError(f"the file {path} is empty")
    return text.strip() if text else None


def _shown(environ: Mapping[str, str], setting: Setting) -> str:
    text = environ.get(setting.variable)
    return "" if setting.secret or not text else f"{text[:80]!r} cannot be used: "


def _unknown(environ: Mapping[str, str]) -> list[str]:
    """Name what nobody reads. ``YUNHAI_TEST_*`` is the test suite's own."""
    known = {s.variable + end for s in SETTINGS for end in ("", "_FILE")}
    problems = []
    for variable in sorted({v for v in environ if v.startswith(PREFIX)} - known):
        if variable.startswith(PREFIX + "TEST_"):
            continue
        near = difflib.get_close_matches(variable, known, 1)
        hint = f"did you mean {near[0]}?" if near else "see: python -m server settings"
        problems.append(f"{variable}: there is no such setting; {hint}")
    return problems


def markdown() -> str:
    """Write docs/configuration.md."""
    rows = [f"| `{s.variable}` | {s.kind} | {s.default} | {s.sentence} |" for s in SETTINGS]
    return "\n".join(
        [
            "# Configuration",
            "",
            "Written by `python -m server settings --markdown`; change `server/config.py`, not this file.",
            "",
            "Every variable may be given as a file: `YUNHAI_SECRET_FILE=/run/secrets/yunhai`.",
            "Check them with `python -m server serve --check-config`.",
            "",
            "| variable | value | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
