"""What people do, one async function per act.

Each asks the permission table with the person's role and floor as they are at
that moment, decides with a pure rule, stores, then publishes. Nothing here
knows of sockets, Redis or SQL; see rooms.ports.
"""

from rooms.actions.chat import chat_history, send_chat
from rooms.actions.entry import admit, remove
from rooms.actions.floor import give_floor, lower_hand, raise_hand, set_role, set_stage, take_floor
from rooms.actions.permission import require
from rooms.actions.recording import answer_recording, start_recording, stop_recording
from rooms.actions.tracks import force_mute, mute

__all__ = [
    "admit",
    "answer_recording",
    "chat_history",
    "force_mute",
    "give_floor",
    "lower_hand",
    "mute",
    "raise_hand",
    "remove",
    "require",
    "send_chat",
    "set_role",
    "set_stage",
    "start_recording",
    "stop_recording",
    "take_floor",
]
