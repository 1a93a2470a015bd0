from __future__ import annotations

from pathlib import Path

from rooms.ids import Identity
from server.turn import ice_servers
from tests.server.settings import make_settings


def test_no_server_is_listed_by_default(tmp_path: Path) -> None:
    assert ice_servers(make_settings(tmp_path), Identity("ann"), now_s=0) == []


def test_credentials_are_what_coturn_computes(tmp_path: Path) -> None:
    settings = make_settings(
        tmp_path,
        turn_urls="stun:t.example:3478,turn:t.example:3478?transport=tcp",
        turn_secret="north-wind-north-wind-north-wind-1",
    )
    stun, turn = ice_servers(settings, Identity("ann"), now_s=1_700_000_000)
    assert (stun.username, stun.credential) == (None, None)
    assert stun.link() == '<stun:t.example:3478>; rel="ice-server"'
    assert turn.username == "1700000600:ann"
    # printf '1700000600:ann' | openssl dgst -sha1 -hmac 'north-…' -binary | base64
    assert turn.credential == "q/zha4xs745OJxg409bY4u8Vnng="
    assert 'credential-type="password"' in turn.link()
