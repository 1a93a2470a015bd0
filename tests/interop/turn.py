"""coturn as docker/ starts it, and a TURN client that asks for what it must not get."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.nodes import free_port
from tests.services import die_with_parent

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "turn.sh"
SECRET = "a-turn-secret-for-tests-0123456789abcdef"
UDP, TCP = 17 << 24, 6 << 24
IPV4, IPV6 = 1 << 24, 2 << 24

stun.ATTRIBUTES_BY_NAME.setdefault(
    "REQUESTED-ADDRESS-FAMILY",
    (0x0017, "REQUESTED-ADDRESS-FAMILY", stun.pack_unsigned, stun.unpack_unsigned),
)


@dataclass(frozen=True)
class Coturn:
    """A running server.

    Attributes:
        pin: digest of its key, for a browser that shall trust it (``spki-list``).
    """

    host: str
    port: int
    tls_port: int
    pin: str

    def urls(self) -> dict[str, str]:
        """One way in each."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {
            "udp": f"turn:{host}:{self.port}?transport=udp",
            "tcp": f"turn:{host}:{self.port}?transport=tcp",
            "tls": f"turns:{host}:{self.tls_port}?transport=tcp",
        }


@contextmanager
def running_coturn(folder: Path, host: str, *peers: str, ipv6: bool = False) -> Iterator[Coturn]:
    """Run coturn on ``host`` until the block ends; it may relay to ``peers``.

    Args:
        ipv6: allocate relays on ``::1`` too.
    """
    if shutil.which("turnserver") is None:
        pytest.fail("coturn is not installed: run `make test` as root on Debian", False)
    certificate = folder / "certificate"
    certificate.mkdir(mode=0o755)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=turn", "-keyout", certificate / "key.pem",
         "-out", certificate / "cert.pem"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    (folder / "turn_secret").write_text(SECRET)
    pem = (certificate / "cert.pem").read_bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(encoded).digest()).decode()
    server = Coturn(host, free_port(), free_port(), pin)
    log = folder / "coturn.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [SCRIPT, f"--listening-ip={host}", f"--relay-ip={host}",
             f"--listening-port={server.port}", f"--tls-listening-port={server.tls_port}",
             f"--pidfile={folder / 'coturn.pid'}", f"--userdb={folder / 'turndb'}",
             *(["--relay-ip=::1"] if ipv6 else [])],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, "TMPDIR": str(folder), "TURN_PEERS": ",".join(peers),
                 "TURN_SECRET_FILE": str(folder / "turn_secret"),
                 "TURN_CERTIFICATE": str(certificate)},
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
        )  # fmt: skip
    try:
        _wait_ready(server, process, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(server: Coturn, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"coturn did not start:\n{log.read_text()}")
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if probe.connect_ex((server.host, server.tls_port)) == 0:
                return
        time.sleep(0.05)


def credentials(identity: str, expires_s: int) -> tuple[str, str]:
    """As a node makes them."""
    name = f"{expires_s}:{identity}"
    digest = hmac.new(SECRET.encode(), name.encode(), hashlib.sha1).digest()
    return name, base64.b64encode(digest).decode()


class TurnClient:
    """Asks over TCP, one request after another. Answers are ("ok", message) or (error code, ...)."""

    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self._password = password
        self._known: dict[str, Any] = {}

    async def open(self, server: Coturn) -> TurnClient:
        self._reader, self._writer = await asyncio.open_connection(server.host, server.port)
        return self

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def ask(self, method: stun.Method, **attributes: Any) -> tuple[int | str, stun.Message]:
        """Send a request, with credentials from the second on, again when the nonce is new."""
        answer = await self._exchange(method, attributes)
        code = answer.attributes.get("ERROR-CODE", ("ok",))[0]
        fresh = answer.attributes.get("NONCE")
        if code in (401, 438) and fresh is not None and fresh != self._known.get("NONCE"):
            realm = answer.attributes.get("REALM", self._known.get("REALM"))
            self._known = {"USERNAME": self.name, "REALM": realm, "NONCE": fresh}
            return await self.ask(method, **attributes)
        return code, answer

    async def _exchange(self, method: stun.Method, attributes: dict[str, Any]) -> stun.Message:
        said = {k.replace("_", "-"): v for k, v in attributes.items()}
        request = stun.Message(
            message_method=method,
            message_class=stun.Class.REQUEST,
            attributes={**said, **self._known},
        )
        if self._known:
            text = f"{self.name}:{self._known['REALM']}:{self._password}"
            request.add_message_integrity(md5(text.encode(), usedforsecurity=False).digest())
        self._writer.write(bytes(request))
        async with asyncio.timeout(5):
            head = await self._reader.readexactly(20)
            body = await self._reader.readexactly(int.from_bytes(head[2:4], "big"))
        return stun.parse_message(head + body)
