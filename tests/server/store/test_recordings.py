from __future__ import annotations

from rooms.ids import NodeId, RecordingId
from rooms.live import Recording, RecordingScope
from server.store import Store
from tests.server.store.samples import LI, hall

GZ = NodeId("gz")
FILES = [{"name": "program-001.webm", "bytes": 4_000_000_000, "segments": [{"name": "李娜"}]}]


def recording(number: int) -> Recording:
    return Recording(
        id=RecordingId(f"r_{number}"),
        scope=RecordingScope.PROGRAM,
        by=LI,
        started_ms=1_795_190_540_000 + number,
        node=GZ,
    )


async def test_a_recording_is_kept_from_its_beginning_and_with_its_end(store: Store) -> None:
    room = hall().id
    await store.rooms.create(hall())
    for number in (1, 2):
        await store.recordings.add(room, recording(number))
        await store.recordings.add(room, recording(number))
    assert [r.recording.id for r in await store.recordings.of_room(room)] == ["r_2", "r_1"]
    assert len(await store.recordings.unfinished(GZ)) == 2
    assert await store.recordings.unfinished(NodeId("sf")) == []
    await store.recordings.finish(recording(1).id, ended_ms=9, reason="stopped", files=FILES)
    await store.recordings.finish(recording(1).id, ended_ms=10, reason="node_lost", files=[])
    found = await store.recordings.get(room, recording(1).id)
    assert found is not None
    assert found.recording == recording(1)
    assert (found.ended_ms, found.reason, found.files) == (9, "stopped", FILES)
    assert [r.recording.id for r in await store.recordings.unfinished(GZ)] == ["r_2"]


async def test_what_never_ran_and_what_is_of_another_room_is_not_found(store: Store) -> None:
    for name in ("one", "two"):
        await store.rooms.create(hall(name))
    await store.recordings.add(hall("one").id, recording(1))
    assert await store.recordings.get(hall("two").id, recording(1).id) is None
    await store.recordings.remove(recording(1).id)
    assert await store.recordings.of_room(hall("one").id) == []
