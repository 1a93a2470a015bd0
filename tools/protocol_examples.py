"""One literal example of every command, event and signal, for docs/protocol.md.

Each is decoded as its type before it is printed, so an example cannot lie; a
command, event or signal without one fails (tests/tools/test_generate.py).
"""

from __future__ import annotations

from typing import Any

from rooms.live import Envelope, Message, Role, RoomKind, Snapshot, Track
from rooms.permissions import rights
from server.signalling.connections import ConnectionStats

JSON = dict[str, Any]

_LI = "li.na"
_KENJI = "kenji.sato"
_SESSION = "s_5f0c8a1e7b3d4c2f9a6e1d0b8c7f3a25"
_EPOCH = "e_91c4b0d2"
_TRACK = "t_0a4f6c1d9e8b7a3f5c2d1e0b9a8f7c6d"
_OFFER = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n…"

_ROOM: JSON = {
    "id": "guangzhou-hall",
    "kind": "hall",
    "names": {"zh": "广州主会场", "en": "Guangzhou hall", "ja": "広州ホール"},
    "city": "guangzhou",
    "zone": "Asia/Shanghai",
    "created_ms": 1795190400000,
}
_PERSON: JSON = {
    "identity": _LI,
    "name": "李娜",
    "role": "member",
    "city": "guangzhou",
    "joined_ms": 1795190460000,
    "hand_ms": None,
    "floor": False,
    "synthetic": False,
    "recording_consent": None,
}
_PUBLISHED: JSON = {
    "id": _TRACK,
    "identity": _LI,
    "source": "camera",
    "kind": "video",
    "codec": "VP8",
    "muted": False,
    "forced": False,
}
_MESSAGE: JSON = {
    "id": "m_7d1c0b9a8f7e6d5c4b3a29180f7e6d5c",
    "number": 42,
    "identity": _LI,
    "name": "李娜",
    "text": "大家好！",
    "sent_ms": 1795190520000,
}
_RECORDING: JSON = {
    "id": "r_019a8f0c21d47be90c5d1f3a8e62",
    "scope": "program",
    "by": "maria.chen",
    "started_ms": 1795190540000,
    "node": "gz",
}
_POSTED: JSON = {"epoch": _EPOCH, "seq": 318, "name": "chat.posted", "data": {"message": _MESSAGE}}

_CONNECTION: JSON = {
    "session": _SESSION,
    "identity": _LI,
    "kind": "socket",
    "node": "gz",
    "at_ms": 1795190531000,
    "workers": [0],
    "publisher": {
        "room": "night-of-poetry",
        "state": "connected",
        "srtp": "SRTP_AEAD_AES_128_GCM",
        "route": {"protocol": "udp", "family": "IPv4"},
        "rtt_s": 0.041,
        "dropped": {},
        "tracks": {
            _TRACK: {
                "room": "night-of-poetry",
                "kind": "audio",
                "codec": "opus",
                "held": False,
                "background": False,
                "outputs": 12,
                "layers": {
                    "": {
                        "bps": 31_000,
                        "width": 0,
                        "height": 0,
                        "packets": 5_120,
                        "bytes": 480_000,
                        "lost": 2,
                        "repaired": 9,
                        "missing": 0,
                        "jitter_s": 0.004,
                        "nacked": 11,
                        "keyframes_asked": 0,
                        "parts": [],
                    }
                },
            }
        },
    },
    "subscriber": {
        "room": "night-of-poetry",
        "state": "connected",
        "generation": 3,
        "route": {"protocol": "udp", "family": "IPv4"},
        "rtt_s": 0.043,
        "estimate_bps": 1_850_000,
        "paused": [],
        "dropped": {},
        "tracks": [
            {
                "track": _TRACK,
                "mid": "2",
                "kind": "video",
                "codec": "VP8",
                "asked": "h",
                "spatial": 7,
                "temporal": 1,
                "sent": "h",
                "fitting": "f",
                "reason": "",
                "bps": 480_000,
                "packets": 9_300,
                "octets": 8_100_000,
                "repaired": 14,
                "nacked": 15,
                "lost": 1,
                "loss": 0.0,
                "jitter_s": 0.006,
                "drops": {"waiting_keyframe": 21},
            }
        ],
    },
}

COMMANDS: dict[str, JSON] = {
    "room.join": {"room": "guangzhou-hall", "protocol": 1, "resume": None},
    "room.leave": {},
    "events.after": {"epoch": _EPOCH, "seq": 317},
    "chat.send": {"text": "大家好！"},
    "chat.history": {"before": 43, "limit": 50},
    "hand.raise": {},
    "hand.lower": {"identity": None},
    "floor.give": {"identity": _LI},
    "floor.take": {"identity": _LI},
    "stage.set": {"identity": _LI},
    "role.set": {"identity": _LI, "role": "speaker"},
    "participant.remove": {"identity": _KENJI},
    "track.mute": {"track": _TRACK, "muted": True},
    "track.force_mute": {"track": _TRACK},
    "media.publish": {
        "sdp": _OFFER,
        "tracks": [
            {"mid": "0", "source": "microphone", "muted": False},
            {"mid": "1", "source": "camera", "muted": False},
        ],
    },
    "media.view": {"audio": True, "tiles": [{"track": _TRACK, "width": 1280, "height": 720}]},
    "media.answer": {"generation": 3, "sdp": _OFFER},
    "media.restart": {"anew": False},
    "media.stats": {},
    "recording.start": {"scope": "program"},
    "recording.stop": {},
    "recording.consent": {"given": True},
}
"""``data`` by command name."""

RESULTS: dict[str, tuple[Any, JSON]] = {
    "room.join": (
        Snapshot,
        {
            "me": {
                "identity": _LI,
                "session": _SESSION,
                "media": "5d1f0c2a9be34477",
                "name": "李娜",
                "role": "member",
                "rights": rights(Role.MEMBER, RoomKind.HALL),
            },
            "epoch": _EPOCH,
            "seq": 317,
            "now_ms": 1795190519000,
            "resumed": False,
            "live": {
                "room": _ROOM,
                "participants": {_LI: _PERSON},
                "tracks": {_TRACK: _PUBLISHED},
                "stage": None,
                "recording": None,
                "messages": [],
            },
            "missed": [],
            "nodes": [{"id": "gz", "url": "https://gz.example.org"}],
        },
    ),
    "events.after": (dict[str, list[Envelope]], {"missed": [_POSTED]}),
    "chat.send": (dict[str, Message], {"message": _MESSAGE}),
    "chat.history": (
        dict[str, list[Message] | bool],
        {"messages": [_MESSAGE], "more": True},
    ),
    "media.publish": (
        dict[str, str | list[Track]],
        {"sdp": _OFFER, "tracks": [_PUBLISHED]},
    ),
    "media.stats": (dict[str, ConnectionStats], {"connection": _CONNECTION}),
}
"""The type and an example of each result that is not the empty map."""

EVENTS: dict[str, JSON] = {
    "room.updated": {"room": _ROOM},
    "participant.joined": {"participant": _PERSON},
    "participant.updated": {"participant": _PERSON | {"name": "Li Na"}},
    "participant.left": {"identity": _KENJI, "reason": "lost"},
    "hand.raised": {"identity": _LI, "at_ms": 1795190530000},
    "hand.lowered": {"identity": _LI},
    "floor.given": {"identity": _LI, "by": "maria.chen"},
    "floor.taken": {"identity": _LI, "by": "maria.chen"},
    "role.changed": {"identity": _LI, "role": "speaker", "by": "maria.chen"},
    "stage.changed": {"identity": _LI},
    "track.published": {"track": _PUBLISHED},
    "track.updated": {"track": _PUBLISHED | {"muted": True}},
    "track.unpublished": {"id": _TRACK},
    "chat.posted": {"message": _MESSAGE},
    "recording.started": {"recording": _RECORDING},
    "recording.stopped": {"id": _RECORDING["id"], "by": "maria.chen"},
    "recording.failed": {"id": _RECORDING["id"], "reason": "disk_full"},
    "recording.answered": {"identity": _LI, "given": True},
}
"""``data`` by event name."""

SIGNALS: dict[str, JSON] = {
    "media.offer": {
        "generation": 3,
        "sdp": _OFFER,
        "tracks": [{"mid": "2", "track": _TRACK}],
        "anew": False,
    },
    "media.state": {"peer": "publisher", "state": "connected"},
    "media.paused": {"tracks": [_TRACK], "reason": "bandwidth"},
    "speaker.changed": {"identities": [_LI, _KENJI]},
    "session.closed": {"reason": "node_draining", "reconnect": True},
}
"""``data`` by signal name."""
