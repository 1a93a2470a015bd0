"""The border: whatever comes is a command within its bounds, or a RoomError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.commands import COMMANDS, ChatSend, MediaPublish, MediaView, RoomJoin, StageSet
from rooms.errors import Code, RoomError
from server.realtime.decode import MAX_INT, decode_command

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200) | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
FIELDS = sorted({name for kind in COMMANDS.values() for name in kind.__dataclass_fields__})


def test_good_commands_are_read() -> None:
    assert decode_command("chat.send", {"text": "云海"}) == ChatSend(text="云海")
    assert decode_command("stage.set", {"identity": None}) == StageSet(identity=None)
    join = decode_command("room.join", {"room": "lobby", "resume": None, "of_a_later_version": 1})
    assert join == RoomJoin(room="lobby")  # type: ignore[arg-type]
    view = decode_command("media.view", {"tiles": [{"track": "t_1", "width": 1, "height": 2}]})
    assert isinstance(view, MediaView)
    assert view.tiles[0].track == "t_1"


@pytest.mark.parametrize(
    ("name", "data", "code", "field"),
    [
        ("room.dance", {}, Code.BAD_COMMAND, "room.dance"),
        ("x" * 10_000, {}, Code.BAD_COMMAND, "xxx"),
        ("chat.send", {"text": "x" * 2_001}, Code.TOO_LARGE, "text"),
        ("chat.send", {"text": None}, Code.BAD_COMMAND, "text"),
        ("room.join", {"room": "UPPER"}, Code.BAD_COMMAND, "room"),
        ("room.join", {"room": "a" * 64}, Code.BAD_COMMAND, "room"),
        ("room.join", {"room": "a", "resume": {"session": "s", "epoch": "e"}}, Code.BAD_COMMAND, "seq"),
        ("room.join", {"room": "a", "resume": {"session": "s", "epoch": "e" * 129, "seq": 1}}, Code.TOO_LARGE, "epoch"),
        ("room.join", {"room": "a", "resume": {"session": "s x", "epoch": "e", "seq": 1}}, Code.BAD_COMMAND, "session"),
        ("room.join", {"room": "a", "resume": {"session": "s", "epoch": "e", "seq": MAX_INT + 1}}, Code.BAD_COMMAND, "seq"),
        ("floor.give", {"identity": "../lin"}, Code.BAD_COMMAND, "identity"),
        ("role.set", {"identity": "lin", "role": "king"}, Code.BAD_COMMAND, "role"),
        ("track.mute", {"track": "", "muted": True}, Code.BAD_COMMAND, "track"),
        ("track.mute", {"track": "t_1", "muted": "yes"}, Code.BAD_COMMAND, "muted"),
        ("media.publish", {"sdp": "v" * 65_537, "tracks": []}, Code.TOO_LARGE, "sdp"),
        ("media.publish", {"sdp": "", "tracks": [{"mid": "0", "source": "camera"}] * 9}, Code.TOO_LARGE, "tracks"),
        ("media.publish", {"sdp": "", "tracks": [{"mid": "m" * 33, "source": "camera"}]}, Code.TOO_LARGE, "tracks[0].mid"),
        ("media.view", {"tiles": [{"track": "t", "width": 1, "height": 1}] * 65}, Code.TOO_LARGE, "tiles"),
        ("media.view", {"tiles": [{"track": "t", "width": 2**70, "height": 1}]}, Code.BAD_COMMAND, "width"),
    ],
)  # fmt: skip
def test_bad_commands_are_refused_by_field(
    name: str, data: dict[str, object], code: Code, field: str
) -> None:
    with pytest.raises(RoomError) as caught:
        decode_command(name, data)
    assert caught.value.code is code
    assert field in caught.value.message
    assert len(caught.value.message) < 400


def test_an_sdp_as_long_as_allowed_is_read() -> None:
    command = decode_command("media.publish", {"sdp": "v" * 65_536, "tracks": []})
    assert isinstance(command, MediaPublish)


@given(
    st.sampled_from(sorted(COMMANDS)) | st.text(),
    st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES,
)
def test_nothing_but_a_room_error_comes_out(name: str, data: object) -> None:
    refusal: RoomError | None = None
    try:
        command = decode_command(name, data)
    except RoomError as error:
        refusal = error
    if refusal is None:
        assert type(command) is COMMANDS[name]
    else:
        assert refusal.code in (Code.BAD_COMMAND, Code.TOO_LARGE)
